"""Who stands out among the ranks that run: whoever fell silent, or behind. Pure.

A rank is compared with the others, never with a fixed time: in a job in which every rank speaks once an hour nobody
stands out, and neither in one in which only rank 0 speaks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.frame import Mark, Row

SILENT_NS = 5_000_000_000
"""Nobody is called silent who spoke so shortly before the others."""
RHYTHMS = 4.0
"""Nor one who lags by fewer than so many of the usual distances between the others' last words."""
BEHIND_STEPS = 2
BEHIND_S = 5.0
"""Nobody is called behind by less than what the others do in this time: news of fast jobs comes in portions."""
FEW = 16
"""Of fewer ranks each is left out of what it is compared with."""


def marked(rows: Sequence[Row], steps_per_s: float = 0.0) -> list[Row]:
    """Mark those that stand out; `steps_per_s` is how fast the job goes."""
    running = [row for row in rows if row.state is ProcessState.RUNNING and not row.is_launcher]
    silent = _silent(running)
    behind = _behind(running, steps_per_s)
    found = dict.fromkeys(silent, Mark.SILENT) | {name: Mark.BEHIND for name in behind if name not in silent}
    return [replace(row, mark=found[row.name]) if row.name in found else row for row in rows]


def middle_step(rows: Sequence[Row]) -> tuple[str, float] | None:
    """The kind of steps that most running ranks count, and the step at which the middle one is."""
    steps = [row.step for row in rows if row.state is ProcessState.RUNNING and row.step is not None]
    if not steps:
        return None
    ((kind, _),) = Counter(step.kind for step in steps).most_common(1)
    return kind, median(step.value for step in steps if step.kind == kind)


def _silent(running: Sequence[Row]) -> set[str]:
    """Those whose last words are older than the others' by more than these differ among themselves."""
    times = {row.name: row.last_output_ns or row.started_ns for row in running}
    known = {name: time for name, time in times.items() if time is not None}
    found = set()
    for name, usual, distance in _compared(known):
        if usual - known[name] > max(SILENT_NS, RHYTHMS * distance):
            found.add(name)
    return found


def _behind(running: Sequence[Row], steps_per_s: float) -> set[str]:
    found = middle_step(running)
    if found is None:
        return set()
    steps = {row.name: row.step.value for row in running if row.step is not None and row.step.kind == found[0]}
    current = {row.name for row in running if row.is_step_current}
    least = max(BEHIND_STEPS, steps_per_s * BEHIND_S)
    return {name for name, usual, _ in _compared(steps) if name in current and usual - steps[name] > least}


def _compared(known: Mapping[str, int]) -> Iterator[tuple[str, float, float]]:
    """Tell for each what is usual among the others, and how far these usually are from it."""
    if len(known) <= 1:
        return
    if len(known) > FEW:
        usual, distance = _usual(list(known.values()))
        yield from ((name, usual, distance) for name in known)
        return
    for name in known:
        yield (name, *_usual([value for other, value in known.items() if other != name]))


def _usual(values: Sequence[int]) -> tuple[float, float]:
    middle = median(values)
    return middle, median(abs(value - middle) for value in values)
