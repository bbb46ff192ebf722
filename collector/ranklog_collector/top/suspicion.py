"""When a verdict is worth seeking: what has happened, in a form that changes when something new happens. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from ranklog_collector.core.ends import EARLY_NS
from ranklog_collector.core.verdict.finding import Status, Verdict
from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.frame import Frame, Mark, Part, Row

ALL_SILENT_NS = 10_000_000_000
"""If nobody has spoken for so long, the job may hang."""
_ENDED = (ProcessState.FAILED, ProcessState.LOST, ProcessState.TERMINATED)


def suspicion(frame: Frame) -> Hashable | None:
    """What there is to judge; None if all is well."""
    if frame.has_ended:
        return (frame.state,)
    own = frame.own
    running = [row for row in own if row.state is ProcessState.RUNNING]
    found = (
        frozenset((row.name, row.state) for row in own if row.state in _ENDED),
        frozenset(row.name for row in own if row.mark is not Mark.NONE),
        frozenset(row.name for row in own if running and _is_early(row, frame.now_ns)),
        frame.lost_nodes,
        bool(running) and all((row.age_ns(frame.now_ns) or 0) > ALL_SILENT_NS for row in running),
        not frame.is_written,
    )
    return found if any(found) else None


def with_verdict(frame: Frame, verdict: Verdict | None, is_judging: bool) -> Frame:
    """Say in a frame what the verdict says, of the processes too."""
    if verdict is None or verdict.status is Status.FINE:
        return replace(frame, verdict=verdict, is_judging=is_judging)
    culprits = {one.name for one in verdict.culprits}
    victims = {name for one in verdict.consequences for name in one.names}
    rows = [_with_part(row, culprits, victims) for row in frame.rows]
    return replace(frame, rows=rows, verdict=verdict, is_judging=is_judging)


def _with_part(row: Row, culprits: set[str], victims: set[str]) -> Row:
    if row.name in culprits:
        return replace(row, part=Part.CULPRIT)
    return replace(row, part=Part.VICTIM) if row.name in victims else row


def _is_early(row: Row, now_ns: int) -> bool:
    return row.state is ProcessState.COMPLETED and now_ns - (row.ended_ns or now_ns) > EARLY_NS
