"""Points in DuckDB: a connection that fits our process, and rows of the one form that segments and hot tails share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

from ranklog_collector.core.point_columns import Points
from ranklog_collector.core.point_totals import Totals
from ranklog_collector.core.point_values import KINDS, TYPES

COLUMNS = "stream, run, key, kind, step, n, t, line, place, value, type, text"
_TABLE = """(stream INTEGER, run VARCHAR, key VARCHAR, kind VARCHAR, step BIGINT, n BIGINT, t BIGINT, line BIGINT,
    place INTEGER, value DOUBLE, type VARCHAR, text VARCHAR)"""
Row = tuple[int, Totals, Points]


def connect(threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open a database in memory, which leaves no files and loads no extensions."""
    database = duckdb.connect(":memory:")
    database.execute("SET temp_directory = ''")
    database.execute("SET autoinstall_known_extensions = false")
    database.execute("SET enable_progress_bar = false")
    if threads is not None:
        database.execute(f"SET threads = {threads:d}")
    return database


def make_table(database: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make an empty table for points."""
    database.execute(f"CREATE OR REPLACE TABLE {name} {_TABLE}")


def insert(database: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Row]) -> None:
    """Add points of streams, each with the totals that name its metrics."""
    rows = [row for row in rows if len(row[2])]
    if not rows:
        return
    batch, metrics = _joined(rows)
    texts = [points.texts for _, _, points in rows]
    if any(one is not None for one in texts):
        parts = [strings(one or [None] * len(points)) for one, (_, _, points) in zip(texts, rows, strict=True)]
        batch["text"] = np.concatenate(parts)
    sources = ["batch"]
    stream, metric = (_constant(batch, name) for name in ("stream", "metric"))
    kind = _named(batch, "kind", tuple(KINDS), sources)
    type_name = _named(batch, "type", tuple(TYPES), sources)
    if metric is None:
        sources.append("metrics ON batch.metric = metrics.number")
        names = "metrics.run, metrics.key"
    else:
        names = "?, ?"
    relations = {
        "batch": batch,
        "metrics": {
            "number": np.arange(len(metrics)),
            "run": strings([run for run, _ in metrics]),
            "key": strings([key for _, key in metrics]),
        },
    }
    # Text types have no number. DuckDB takes the NaN of an array for NULL. Joins keep no order, which nobody relies on.
    select = f"""SELECT {"batch.stream" if stream is None else stream}, {names}, {kind}, step, n, t, line, place,
        CASE WHEN batch.type < {TYPES["text"]} THEN coalesce(batch.value, 'nan'::DOUBLE) END, {type_name},
        {"text" if "text" in batch else "NULL"} FROM {" JOIN ".join(sources)}"""
    for name, relation in relations.items():
        database.register(name, relation)
    try:
        database.execute(f"INSERT INTO {table} {select}", [] if metric is None else list(metrics[metric]))
    finally:
        for name in relations:
            database.unregister(name)


def _joined(rows: Sequence[Row]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Put the points of all streams behind each other, and their metrics, which get new numbers."""
    metrics: list[tuple[str, str]] = []
    columns: dict[str, list[Any]] = {}
    for stream, totals, points in rows:
        own = {
            "stream": np.full(len(points), stream, np.int32),
            "metric": points.names + len(metrics),
            "kind": points.kinds,
            "step": points.steps,
            "n": points.n,
            "t": points.times,
            "line": points.at,
            "place": points.places,
            "value": points.values,
            "type": points.types,
        }
        metrics += totals.names.all
        for name, column in own.items():
            columns.setdefault(name, []).append(column)
    return {name: np.concatenate(parts) for name, parts in columns.items()}, metrics


def _constant(batch: dict[str, Any], name: str) -> int | None:
    column = batch[name]
    return int(column[0]) if (column == column[0]).all() else None


def _named(batch: dict[str, Any], name: str, names: tuple[str, ...], sources: list[str]) -> str:
    """Write as SQL the names that a column's numbers stand for."""
    constant = _constant(batch, name)
    if constant is not None:
        return quoted(names[constant])
    values = ", ".join(f"({number}, {quoted(one)})" for number, one in enumerate(names))
    sources.append(f"(VALUES {values}) {name}s(number, name) ON batch.{name} = {name}s.number")
    return f"{name}s.name"


def quoted(text: str) -> str:
    """Write a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def parquet(paths: Sequence[str]) -> str:
    """Write files as a relation of SQL."""
    return f"read_parquet([{', '.join(map(quoted, paths))}])"


def strings(texts: Sequence[str | None]) -> Any:
    """Make an array of texts."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
