"""The values of a metric in MLflow's order: by timestamp, step and value, without what was logged twice."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ranklog.mlflow_api.lines import NS_PER_MS
from ranklog.mlflow_api.runs import number
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series.memory import Known, Memory
from ranklog_collector.series.selection import Writer, writers
from ranklog_collector.series.unsealed import Unsealed

if TYPE_CHECKING:
    from ranklog_collector.series.points import RunPoints

_FOLDERS_MAX = 8
_QUERY = """
    SELECT DISTINCT (t + shift) // 1000000 AS timestamp, step, value FROM {source} JOIN shifts USING (stream)
    WHERE run = $1 AND key = $2 AND kind = 'scalar' AND type IN ('float', 'int', 'bool')
    ORDER BY timestamp, step, value"""
Json = dict[str, Any]
Place = tuple[str, str]
"""The path of a run folder, and which of its child runs is meant; empty: the run itself."""
Table = dict[str, Any]
"""Columns: timestamp, step, value."""


class Histories:
    """Reads the points of run folders, by path. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Folder] = OrderedDict()

    def page(self, place: Place, key: str, offset: int, limit: int) -> tuple[list[Json], bool]:
        """Some of the values, and whether there are more."""
        table = self._table(place, key)
        end = offset + limit
        return _points(table, key, slice(offset, end)), len(table["step"]) > end

    def interval(
        self, places: Sequence[tuple[str, Place]], key: str, steps: tuple[int, int] | None, most: int
    ) -> list[Json]:
        """Values of several runs, id and place of each, at about `most` of all their steps, or of those in a range.

        The first and the last step of each run are always among them.
        """
        tables = [(run_id, self._table(place, key)) for run_id, place in places]
        edges = {int(edge) for _, table in tables if len(table["step"]) for edge in _edges(table["step"])}
        every = sorted({int(step) for _, table in tables for step in np.unique(table["step"])})
        first, last = steps if steps is not None else (0, every[-1] if every else 0)
        begin, end = bisect_left(every, first), bisect_right(every, last)
        chosen = set(every[begin:end])
        if end - begin > most:
            gap = (end - begin) / most
            chosen = {every[begin + int(place * gap)] for place in range(most)} | {every[end - 1]}
        chosen |= {edge for edge in edges if first <= edge <= last}
        wanted = np.array(sorted(chosen), np.int64)
        found: list[Json] = []
        for run_id, table in tables:
            rows = np.flatnonzero(np.isin(table["step"], wanted))
            rows = rows[np.lexsort((table["timestamp"][rows], table["step"][rows]))]
            found += [{**point, "run_id": run_id} for point in _points(table, key, rows)]
        return found

    def _table(self, place: Place, key: str) -> Table:
        path, run = place
        with self._lock:
            folder = self._kept.setdefault(path, _Folder(path))
            self._kept.move_to_end(path)
            while len(self._kept) > _FOLDERS_MAX:
                self._kept.popitem(last=False)
        try:
            table = folder.table(run, key)
        except ReadingError:
            table = None
        return table or {name: np.empty(0, np.int64) for name in ("timestamp", "step", "value")}


class _Folder:
    """The histories of the runs of one folder."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._folder: RunFolder | None = None
        self._unsealed = Unsealed()

    def table(self, run: str, key: str) -> Table | None:
        """All values of a metric, if there are some. Raises ReadingError."""
        with self._lock:
            folder, self._folder = self._folder, None
            if folder is None:
                folder = RunFolder(self._path, latest_marks=True)
            else:
                folder.refresh()
            table = self._read(folder, run, key)
            self._folder = folder
        return table

    def _read(self, folder: RunFolder, run: str, key: str) -> Table | None:
        unsealed = self._unsealed
        if unsealed.refresh(folder):
            found = _with_metric(writers(folder, unsealed.covers, resources=False), run, key)
            return _kept(unsealed.memory, found, run, key, lambda: _sorted(unsealed, found, run, key))
        # The database takes more memory than all else together.
        from ranklog_collector.series.points import points_of

        with points_of(folder) as points:
            found = _with_metric(writers(folder, points.covers, resources=False), run, key)
            return _kept(points.memory, found, run, key, lambda: _queried(points, found, run, key))


def _with_metric(found: list[Writer], run: str, key: str) -> list[Writer]:
    return [one for one in found if one.total(run, key) is not None]


def _kept(memory: Memory, found: list[Writer], run: str, key: str, read: Callable[[], Table]) -> Table | None:
    """All values of a metric; they are remembered as long as there are no more."""
    if not found:
        return None
    covered = {one.stream: one.cover.totals.end for one in found}
    known = memory.recall(("mlflow", run, key))
    if known is not None and known.covered == covered:
        return known.table
    table = read()
    memory.remember(("mlflow", run, key), Known(table, covered))
    return table


def _queried(points: RunPoints, found: list[Writer], run: str, key: str) -> Table:
    shifts = {
        "stream": np.array([one.stream for one in found], np.int64),
        "shift": np.array([one.clock.offset_ns for one in found], np.int64),
    }
    since = dict.fromkeys((one.stream for one in found), 0)
    with points.registered(shifts=shifts):
        return points.query(since, lambda source: _QUERY.format(source=source), run, key)


def _sorted(unsealed: Unsealed, found: list[Writer], run: str, key: str) -> Table:
    """The same as the query."""
    parts = [(unsealed.numbers(one.stream, run, key), one.clock.offset_ns) for one in found]
    timestamp = np.concatenate([(part.times + shift) // NS_PER_MS for part, shift in parts])
    step, value = (np.concatenate([getattr(part, name) for part, _ in parts]) for name in ("steps", "values"))
    order = np.lexsort((value, step, timestamp))
    timestamp, step, value = timestamp[order], step[order], value[order]
    is_same = (timestamp[1:] == timestamp[:-1]) & (step[1:] == step[:-1])
    is_same &= (value[1:] == value[:-1]) | (np.isnan(value[1:]) & np.isnan(value[:-1]))
    kept = np.flatnonzero(np.append(True, ~is_same)) if len(order) else order
    return {"timestamp": timestamp[kept], "step": step[kept], "value": value[kept]}


def _edges(steps: Any) -> tuple[int, int]:
    return int(steps.min()), int(steps.max())


def _points(table: Table, key: str, rows: Any) -> list[Json]:
    values = table["value"][rows]
    shown: list[Any] = values.tolist()
    with suppress(TypeError):
        if not np.isfinite(values).all():
            shown = [number(value) for value in shown]
    return [
        {"key": key, "value": value, "timestamp": timestamp, "step": step}
        for value, timestamp, step in zip(
            shown, table["timestamp"][rows].tolist(), table["step"][rows].tolist(), strict=True
        )
    ]
