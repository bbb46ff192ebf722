"""Rows for other programs: JSON Lines, comma-separated values, Parquet."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from ranklog_collector.cli.output import print_json
from ranklog_collector.reading.folder import ReadingError

Row = dict[str, Any]
_SPECIAL = ("NaN", "Infinity", "-Infinity")
_INTEGER_MAX = 1 << 63


def print_rows(rows: Sequence[Row], as_csv: bool) -> None:
    """Print rows as JSON Lines, or as comma-separated values with a head."""
    if not as_csv:
        print_json(rows)
        return
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def save_rows(rows: Sequence[Row], path: str) -> None:
    """Write rows as a Parquet file, which appears whole. Raises ReadingError if that fails."""
    import duckdb
    import numpy as np

    from ranklog_collector.series.database import connect, quoted, strings

    database = connect()
    columns: dict[str, Any] = {"row": np.arange(len(rows))}
    names = list(rows[0]) if rows else []
    types = []
    for number, name in enumerate(names):
        values = [row[name] for row in rows]
        kind, column = _column(values)
        columns[f"c{number}"] = strings(column)
        identifier = '"' + name.replace('"', '""') + '"'
        types.append(f"CAST(c{number} AS {kind}) AS {identifier}")
    temporary = f"{path}.new"
    try:
        database.register("shown", columns)
        select = ", ".join(types) or "row"
        database.execute(f"COPY (SELECT {select} FROM shown ORDER BY row) TO {quoted(temporary)} (FORMAT parquet)")
        os.replace(temporary, path)
    except (duckdb.Error, OSError) as error:
        raise ReadingError(f"{path} cannot be written: {error}") from error
    finally:
        database.close()


def _column(values: list[Any]) -> tuple[str, list[str | None]]:
    """Choose a type for a column, and write its values so that they can be cast to it."""
    kinds = {_type(value) for value in values if value is not None}
    kind = "BIGINT" if kinds == {"BIGINT"} else "DOUBLE" if kinds and kinds <= {"BIGINT", "DOUBLE"} else "VARCHAR"
    return kind, [None if value is None else str(_cell(value)) for value in values]


def _type(value: Any) -> str:
    if type(value) is int and -_INTEGER_MAX <= value < _INTEGER_MAX:
        return "BIGINT"
    return "DOUBLE" if type(value) in (int, float) or value in _SPECIAL else "VARCHAR"


def _cell(value: Any) -> Any:
    """What is no single value is JSON."""
    return orjson.dumps(value).decode() if isinstance(value, (list, dict, bool)) else value
