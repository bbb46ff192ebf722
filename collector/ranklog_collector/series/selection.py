"""Which streams of points a question is about, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from ranklog_collector.core.point_totals import Total
from ranklog_collector.reading.folder import NotThereError, RunFolder
from ranklog_collector.reading.timeline import NodeClock
from ranklog_collector.series.covers import Cover
from ranklog_collector.series.readings import readings
from ranklog_collector.series.shapes import Ints

_NAMED_MAX = 5


class UnknownMetricError(NotThereError):
    """The run has no such metric."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The process that wrote a stream of points, as far as its records have come."""

    stream: int
    node: str
    process: str
    rank: int | None
    attempt: int
    clock: NodeClock
    cover: Cover
    is_printed: bool

    @property
    def place(self) -> int | tuple[str, str]:
        """What it is one of several attempts of: its rank; without one it stands for itself."""
        return (self.node, self.process) if self.rank is None else self.rank

    def total(self, run: str, key: str) -> Total | None:
        """All its points of a metric; None if there are none."""
        number = self.cover.totals.names.find(run, key)
        return None if number is None else self.cover.totals.metrics[number]

    def correct(self, times: Ints) -> Ints:
        """Translate times of its node to the collector's clock."""
        if self.clock.measurements <= 1:
            return times + self.clock.offset_ns
        return np.array([self.clock.correct(time) for time in times.tolist()], np.int64)


def writers(folder: RunFolder, covers: Mapping[int, Cover], resources: bool) -> list[Writer]:
    """List whoever wrote points: of the job, or of agents about it. Ranks come first, in their order."""
    state = folder.state
    found = []
    for reading in readings(folder):
        stream = reading.stream
        cover = covers.get(stream.number)
        if cover is None or reading.is_resource is not resources:
            continue
        process = state.processes.get(stream.node, stream.process)
        found.append(
            Writer(
                stream.number,
                stream.node,
                process.name if process else stream.process,
                process.rank if process and not process.is_launcher else None,
                process.attempt if process else 1,
                state.clock(stream),
                cover,
                reading.is_printed,
            )
        )
    return sorted(found, key=lambda one: (one.rank is None, one.rank or 0, one.attempt, one.node, one.stream))


def with_metric(found: list[Writer], run: str, key: str) -> list[Writer]:
    """Choose those who wrote a metric. Raises UnknownMetricError, which names those that are like it."""
    chosen = [one for one in found if one.total(run, key) is not None]
    if chosen:
        return chosen
    names = sorted({name for one in found for of, name in one.cover.totals.names.all if of == run})
    if not names:
        raise UnknownMetricError(f"there is no metric {key!r}: nobody has logged any yet")
    near = get_close_matches(key, names, _NAMED_MAX, cutoff=0.5) or [one for one in names if key.lower() in one.lower()]
    shown = (near or names)[:_NAMED_MAX]
    more = "; `ranklog metrics` lists all" if len(shown) < len(names) else ""
    raise UnknownMetricError(f"there is no metric {key!r}; there is {', '.join(shown)}{more}")


def own_run(folder: RunFolder, run: str | None) -> str:
    """What a run is called in points: empty for the folder's own, else a child's id."""
    return "" if run is None or run == folder.run_id else run
