"""A metric of each process by itself, thinned with its extremes kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from ranklog_collector.core.point_values import SCALAR, TYPES, encode
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.points import RunPoints, points_of
from ranklog_collector.series.selection import Writer, own_run, with_metric, writers
from ranklog_collector.series.shapes import Floats, Ints, Series
from ranklog_collector.series.thin import POINTS_MIN, kept

_ROWS = "SELECT stream, step, t, n, value FROM {source} WHERE run = ? AND key = ? AND value IS NOT NULL"
# A part's lowest, its highest, and one that is neither; and the ends of the series.
_CHOSEN = """
    WITH numbers AS ({rows}), chosen AS (
        SELECT stream, unnest([
            arg_min(n, value) FILTER (isfinite(value)),
            arg_max(n, value) FILTER (isfinite(value)),
            min(n) FILTER (NOT isfinite(value))
        ]) AS n FROM numbers JOIN counts USING (stream) GROUP BY stream, CAST(n * ? AS HUGEINT) // count
        UNION SELECT stream, unnest([min(n), max(n)]) FROM numbers GROUP BY stream
    ) SELECT numbers.* FROM numbers SEMI JOIN chosen USING (stream, n)"""


def series(
    folder: RunFolder,
    key: str,
    rank: int | None = None,
    run: str | None = None,
    points: int = 1000,
    x: str = "step",
    resources: bool = False,
) -> list[Series]:
    """Give the numbers of a metric, a series for each process, ordered by `x`: step or time.

    A longer one is thinned to about `points`: of each part its lowest and its highest, and NaN or infinity if it has
    some. A list counts as so many points, whose steps are their places. What is no number is left out. Raises
    UnknownMetricError.
    """
    own = own_run(folder, run)
    with points_of(folder) as source:
        found = [one for one in writers(folder, source, resources) if rank is None or one.rank == rank]
        found = with_metric(found, own, key)
        lists = [one for one in found if _is_list(one, own, key)]
        plain = [one for one in found if one not in lists]
        columns = _numbers(source, plain, own, key, points) if plain else {}
        return [
            _of_lists(source, one, own, key, points) if one in lists else _of_scalars(one, columns, own, key, x)
            for one in found
        ]


def _is_list(writer: Writer, run: str, key: str) -> bool:
    total = writer.total(run, key)
    return total is not None and total.kind == "list"


def _numbers(source: RunPoints, found: list[Writer], run: str, key: str, points: int) -> dict[str, Any]:
    counts = [total.count for one in found if (total := one.total(run, key)) is not None]
    streams = [one.stream for one in found]
    since = dict.fromkeys(streams, 0)
    if max(counts) <= points:
        return source.query(since, lambda relation: _ROWS.format(source=relation), run, key)
    parts = max(points, POINTS_MIN) // 2 - 1
    relation = {"stream": np.array(streams, np.int64), "count": np.array(counts, np.int64)}
    with source.registered(counts=relation):
        return source.query(since, lambda relation: _CHOSEN.format(rows=_ROWS.format(source=relation)), run, key, parts)


def _of_scalars(writer: Writer, columns: dict[str, Any], run: str, key: str, x: str) -> Series:
    mine = np.flatnonzero(columns["stream"] == writer.stream)
    n, step, time = columns["n"][mine], columns["step"][mine], writer.correct(columns["t"][mine])
    order = np.lexsort((n, time if x == "time" else step))
    total = writer.total(run, key)
    count = total.count if total else 0
    return _made(writer, step[order], time[order], np.asarray(columns["value"][mine], np.float64)[order], count)


def _of_lists(source: RunPoints, writer: Writer, run: str, key: str, points: int) -> Series:
    rows = source.query(
        {writer.stream: 0},
        lambda relation: (
            f"""
            SELECT t, text FROM {relation} WHERE run = ? AND key = ? AND kind = 'list' ORDER BY line, place"""
        ),
        run,
        key,
    )
    values: list[float] = []
    times: list[int] = []
    for time, text in zip(rows["t"].tolist(), rows["text"].tolist(), strict=True):
        listed = [encode(value, SCALAR) for value in orjson.loads(text)]
        values += [number for kind, number, _ in listed if kind < TYPES["text"]]
        times += [time] * (len(values) - len(times))
    value, step = np.array(values, np.float64), np.arange(len(values))
    chosen = kept(step, value, value, points) if values else step
    return _made(writer, step[chosen], writer.correct(np.array(times, np.int64)[chosen]), value[chosen], len(values))


def _made(writer: Writer, step: Ints, time: Ints, value: Floats, total: int) -> Series:
    return Series(writer.node, writer.process, writer.rank, writer.attempt, step, time, value, total)
