"""The values of a metric in MLflow's order: by timestamp, step and value, without what was logged twice."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ranklog.mlflow_api.runs import number
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series.memory import Known
from ranklog_collector.series.points import points_of
from ranklog_collector.series.selection import writers

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
        self._folders: OrderedDict[str, RunFolder] = OrderedDict()

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
            folder = self._folders.pop(path, None)
        empty = {name: np.empty(0, np.int64) for name in ("timestamp", "step", "value")}
        try:
            if folder is None:
                folder = RunFolder(path, latest_marks=True)
            else:
                folder.refresh()
            table = _read(folder, run, key) or empty
        except ReadingError:
            return empty
        with self._lock:
            self._folders[path] = folder
            while len(self._folders) > _FOLDERS_MAX:
                self._folders.popitem(last=False)
        return table


def _read(folder: RunFolder, run: str, key: str) -> Table | None:
    """All values of a metric; they are remembered as long as there are no more."""
    with points_of(folder) as points:
        found = [one for one in writers(folder, points, resources=False) if one.total(run, key) is not None]
        if not found:
            return None
        covered = {one.stream: one.cover.totals.end for one in found}
        known = points.memory.recall(("mlflow", run, key))
        if known is not None and known.covered == covered:
            return known.table
        shifts = {
            "stream": np.array(list(covered), np.int64),
            "shift": np.array([one.clock.offset_ns for one in found], np.int64),
        }
        with points.registered(shifts=shifts):
            table = points.query(dict.fromkeys(covered, 0), lambda source: _QUERY.format(source=source), run, key)
        points.memory.remember(("mlflow", run, key), Known(table, covered))
        return table


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
