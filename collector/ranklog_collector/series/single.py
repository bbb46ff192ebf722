"""A metric of each process by itself, thinned with its extremes kept."""

from __future__ import annotations

import numpy as np
import orjson

from ranklog_collector.core.point_values import SCALAR, TYPES, encode
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.memory import Known, Table, followed
from ranklog_collector.series.points import RunPoints, points_of
from ranklog_collector.series.selection import Writer, own_run, with_metric, writers
from ranklog_collector.series.shapes import Floats, Ints, Series
from ranklog_collector.series.thin import POINTS_MIN, kept

_COLUMNS = "stream, n, step, t, value"
_ROWS = "SELECT {columns} FROM {source} WHERE run = ? AND key = ? AND value IS NOT NULL AND n >= {first}"
# Of each part its lowest, its highest, and one that is neither; and the ends of the series.
_CHOSEN = """
    WITH numbers AS ({rows}), news AS (SELECT numbers.*, mark FROM numbers JOIN marks USING (stream) WHERE n >= mark),
    chosen AS (
        SELECT stream, unnest([
            arg_min(n, value) FILTER (isfinite(value)),
            arg_max(n, value) FILTER (isfinite(value)),
            min(n) FILTER (NOT isfinite(value))
        ]) AS n FROM news GROUP BY stream, n // {width}
        UNION SELECT stream, unnest([min(n) FILTER (mark = 0), max(n)]) FROM news GROUP BY stream
    ) SELECT {columns} FROM news SEMI JOIN chosen USING (stream, n)"""


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
        found = [one for one in writers(folder, source.covers, resources) if rank is None or one.rank == rank]
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


def _numbers(source: RunPoints, found: list[Writer], run: str, key: str, points: int) -> Table:
    """The numbers of several processes, thinned if one has more than so many.

    Parts are as long as a power of two, so that they stay as they are while a series grows, until they are doubled.
    """
    counts = {one.stream: total.count for one in found if (total := one.total(run, key)) is not None}
    parts = max(points, POINTS_MIN) // 2
    width = 1 << ((max(counts.values()) - 1) // parts).bit_length() if max(counts.values()) > points else 1
    question = (tuple(counts), run, key, "n", width)
    known = source.memory.recall(question)
    if known is not None and known.covered == counts:
        return known.table
    # The part that was the last is not what it was.
    marks = {stream: (known.covered[stream] - 1) // width * width if known else 0 for stream in counts}
    table = _chosen(source, marks, run, key, width)
    if known is not None:
        is_kept = known.table["n"] < np.array([marks[stream] for stream in known.table["stream"].tolist()], np.int64)
        table = followed(known.table, is_kept, table)
    source.memory.remember(question, Known(table, counts))
    return table


def _chosen(source: RunPoints, marks: dict[int, int], run: str, key: str, width: int) -> Table:
    """Of each stream the rows from a mark on, thinned."""
    rows = _ROWS.format(columns=_COLUMNS, source="{source}", first=min(marks.values()))
    chosen = _CHOSEN.format(rows=rows, columns=_COLUMNS, width=width)
    relation = {"stream": np.array(list(marks), np.int64), "mark": np.array(list(marks.values()), np.int64)}
    with source.registered(marks=relation):
        return source.query(dict.fromkeys(marks, 0), lambda points: chosen.replace("{source}", points), run, key)


def _of_scalars(writer: Writer, columns: Table, run: str, key: str, x: str) -> Series:
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
