"""A run in a notebook: `from ranklog import open_run`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from ranklog_collector.reading import archive
from ranklog_collector.reading.archive import FileView
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.logs import LogReader
from ranklog_collector.reading.rows import Rows, all_blocks
from ranklog_collector.reading.runs import open_child, root_folder
from ranklog_collector.reading.select import Selection
from ranklog_collector.reading.text import shown
from ranklog_collector.series import read
from ranklog_collector.series.frame import Frame
from ranklog_collector.series.points import points_of
from ranklog_collector.series.selection import own_run, with_metric, writers
from ranklog_collector.series.shapes import Aggregate, Facts, Ints, Metric, Series

_EVERYTHING = 1 << 40
_COLUMNS = ("min", "mean", "max", "std", "p50", "p99", "count", "nonfinite")


def open_run(run: str = "latest", root: str | None = None) -> OpenRun:
    """Open a run, which may go on: an id, a unique prefix, `experiment/id`, `latest`, a child's id, or a folder's path.

    `root` is the folder of the run folders, by default $RANKLOG_ROOT or ./ranklog-runs. Raises ReadingError.
    """
    return OpenRun(*open_child(run, root_folder(root)))


class OpenRun:
    """A run to ask questions of; each answer has all that has come until then. `resources` asks for what agents saw."""

    def __init__(self, folder: RunFolder, child: str = "") -> None:
        self._folder = folder
        self._child = child

    def __repr__(self) -> str:
        """Which run it is, and how it is doing."""
        return f"<run {self.id}: {self.state}>"

    @property
    def id(self) -> str:
        """Of the run, or of the child run."""
        return self._child or self._folder.run_id

    @property
    def state(self) -> str:
        """running, finalizing, completed, failed, canceled or lost; of a child what it said itself."""
        return (self.facts().status or "running") if self._child else self._now().state.state

    def metrics(self, resources: bool = False) -> Frame:
        """All metrics, a row each."""
        found = read.catalog(self._now(), self._child, resources)
        names = [field.name for field in fields(Metric) if field.name != "last_ns"]
        columns: dict[str, Any] = {name: [getattr(one, name) for one in found] for name in names}
        # Values of all kinds do not fit into one column.
        columns["last"] = [str(one.last) for one in found]
        columns["last_time"] = _moments(np.array([one.last_ns for one in found], np.int64))
        return Frame(columns)

    def series(
        self, key: str, rank: int | None = None, points: int | None = None, x: str = "step", resources: bool = False
    ) -> Frame:
        """The numbers of a metric, process after process: all, or thinned to about so many `points` for each.

        Raises UnknownMetricError.
        """
        found = read.series(self._now(), key, rank, self._child, points or _EVERYTHING, x, resources)
        return Frame(
            {
                "node": _repeated(found, [one.node for one in found]),
                "process": _repeated(found, [one.process for one in found]),
                "rank": _repeated(found, [one.rank for one in found]),
                "step": np.concatenate([one.step for one in found]),
                "time": _moments(np.concatenate([one.time_ns for one in found])),
                "value": np.concatenate([one.value for one in found]),
            }
        )

    def aggregate(self, key: str, by: str = "step", points: int | None = None, resources: bool = False) -> Frame:
        """A metric over ranks: each step, or about so many `points` with extremes kept; by time 1,000 spans or so many.

        Raises UnknownMetricError.
        """
        wanted = points or (1000 if by == "time" else _EVERYTHING)
        found: Aggregate = read.aggregate(self._now(), key, by, wanted, self._child, resources)
        axis = {"step": found.x} if found.by == "step" else {"time": _moments(found.x)}
        columns = {name: getattr(found, name) for name in _COLUMNS}
        ranks = {name: _ranks(getattr(found, name)) for name in ("min_rank", "max_rank")}
        return Frame({**axis, **columns, **ranks})

    def points(self, key: str | None = None, resources: bool = False) -> Frame:
        """Each point as it was logged, process after process; what is no number is in `text`, lists and rows as JSON.

        Raises UnknownMetricError.
        """
        with points_of(self._now()) as source:
            own = own_run(self._folder, self._child)
            found = writers(self._folder, source.covers, resources)
            found = found if key is None else with_metric(found, own, key)
            columns = source.query(
                {one.stream: 0 for one in found},
                lambda relation: (
                    f"""
                    SELECT stream, key, kind, step, n, t, value, type, text FROM {relation}
                    WHERE run = ? AND {"key = ?" if key is not None else "?"} ORDER BY stream, line, place"""
                ),
                own,
                True if key is None else key,
            )
        of = {one.stream: one for one in found}
        whose = [of[stream] for stream in columns.pop("stream").tolist()]
        times = columns.pop("t")
        for stream, one in of.items():
            mine = np.array([writer.stream == stream for writer in whose], bool)
            times[mine] = one.correct(times[mine])
        columns["value"] = np.ma.filled(np.ma.asarray(columns["value"], np.float64), np.nan)
        texts = {name: columns.pop(name).tolist() for name in ("key", "kind", "type", "text")}
        return Frame(
            {
                "node": [one.node for one in whose],
                "process": [one.process for one in whose],
                "rank": [one.rank for one in whose],
                **texts,
                "time": _moments(times),
                **columns,
            }
        )

    def facts(self) -> Facts:
        """Tags, properties, parameters, names, state, children and artifacts."""
        return read.facts(self._now(), self._child)

    @property
    def files(self) -> Iterator[FileView]:
        """The files of the run folder."""
        return iter(archive.files(self._now()))

    def content(self, path: str) -> bytes:
        """The bytes of a file. Raises ReadingError."""
        return b"".join(archive.content(self._folder.path, path))

    @property
    def logs(self) -> Iterator[str]:
        """The lines that the ranks have said, in the order of time; equal ones of several ranks only once."""
        reader = LogReader(self._now(), Selection())
        for row in Rows(reader, is_folded=True).of(all_blocks(reader)):
            yield shown(row.text).decode()

    def _now(self) -> RunFolder:
        self._folder.refresh()
        return self._folder


def _moments(times_ns: Ints) -> Any:
    return times_ns.astype("datetime64[ns]")


def _repeated(found: list[Series], values: list[Any]) -> list[Any]:
    return [value for one, value in zip(found, values, strict=True) for _ in range(len(one.step))]


def _ranks(column: Ints) -> list[int | None]:
    return [None if rank < 0 else rank for rank in column.tolist()]
