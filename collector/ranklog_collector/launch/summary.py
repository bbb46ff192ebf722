"""What a run came to: a row for each process, the first failure, and whether everything is there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.core.verdict.finding import Category, Status, Verdict
from ranklog_collector.launch.leftover import leftover
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.losses import losses
from ranklog_collector.reading.processes import ProcessView, processes
from ranklog_collector.reading.state import RunState, Segment, Stream
from ranklog_collector.verdict import judge

ROWS_MAX = 16
"""More processes than this are put together by how they ended."""
COUNTED_BYTES_MAX = 1 << 30
"""Lines are counted in so much output at most: about a second's work."""


@dataclass(frozen=True)
class Row:
    """One process, or several that ended alike: then times are the longest, lines and bytes the sum."""

    who: str
    state: str
    exit: str
    duration_ns: int | None
    lines: int | None
    bytes: int


@dataclass(frozen=True)
class Summary:
    """The run in short. `notes` and `losses` are sentences; no losses means that every byte is there."""

    state: str
    duration_ns: int
    rows: list[Row]
    ranks: str
    """Those that were captured, as `0-3,7`."""
    absent: str
    """Those that the launcher speaks of and nobody has seen."""
    failure: str
    """What went wrong, in a line; empty if nothing did."""
    failed_rank: int | None
    """That of the one who failed first."""
    losses: list[str]
    notes: list[str]
    files: int
    bytes: int
    """Of all collected files."""
    verified: int
    """Bytes whose number and checksum collector and agent have agreed on at the end of their files."""
    leftover: int
    """Bytes of the job's output that are only in the spool."""

    @property
    def is_complete(self) -> bool:
        """Whether every byte of every rank is there, and known to be right."""
        return not self.losses and not self.leftover and not self.absent and self.verified == self.bytes


def summarize(folder: RunFolder, spool: str) -> Summary:
    """Sum up a run that is over, from its folder and from what is in the spool."""
    views = processes(folder.state)
    problems, doubts = losses(folder.state)
    segments = _final(folder.state)
    verdict = _verdict(folder)
    ranks = {one.rank for one in verdict.culprits}
    return Summary(
        state=folder.state.state,
        duration_ns=folder.now_ns() - folder.started_ns,
        ranks=ranks_text(view.rank for view in views if view.rank is not None and view.key),
        absent=ranks_text(view.rank for view in views if view.rank is not None and not view.key),
        rows=_grouped([_row(folder, view) for view in views], views),
        failure=failure(verdict),
        failed_rank=ranks.pop() if len(ranks) == 1 else None,
        losses=problems,
        notes=doubts,
        files=len(folder.state.streams),
        bytes=sum(stream.size for stream in folder.state.streams.values()),
        verified=sum(segment.closed.size for segment in segments if segment.closed is not None),
        leftover=leftover(spool, folder.state),
    )


def _final(state: RunState) -> list[Segment]:
    """Segments whose bytes are in a file: of a snapshot only the last."""
    replaced = {
        number
        for stream in state.streams.values()
        if stream.snapshot is not None
        for number in stream.segments
        if number != stream.snapshot
    }
    return [segment for segment in state.segments.values() if segment.number not in replaced]


def _who(view: ProcessView) -> str:
    if view.role == "launcher":
        return view.program or "launcher"
    name = str(view.rank) if view.rank is not None else f"{view.program or 'process'} ({view.pid})"
    return name if view.attempt == 1 else f"{name} #{view.attempt}"


def _row(folder: RunFolder, view: ProcessView) -> Row:
    duration = None if None in (view.started_ns, view.ended_ns) else (view.ended_ns or 0) - (view.started_ns or 0)
    streams = _streams(folder, view)
    return Row(
        _who(view),
        view.state.value,
        view.exit,
        duration,
        _count_lines(folder, streams),
        sum(stream.size for stream in streams),
    )


def _streams(folder: RunFolder, view: ProcessView) -> list[Stream]:
    """Streams of a process's output, each byte once: a launcher's log has what its stdout and stderr have."""
    roles = ("stdout", "stderr", "launcher_stdout", "launcher_stderr")
    return [
        stream
        for stream in folder.state.streams.values()
        if view.key and (stream.node, stream.process) == (view.node, view.key) and stream.role in roles
    ]


def _count_lines(folder: RunFolder, streams: Sequence[Stream]) -> int | None:
    if sum(stream.size for stream in streams) > COUNTED_BYTES_MAX:
        return None
    count = 0
    try:
        for stream in streams:
            with folder.opened(stream) as file:
                at, last = 0, b"\n"
                while data := os.pread(file, 1 << 20, at):
                    count += data.count(b"\n")
                    at, last = at + len(data), data[-1:]
                count += last != b"\n"
    except OSError:
        return None
    return count


def _grouped(rows: list[Row], views: Sequence[ProcessView]) -> list[Row]:
    """Put ranks together that ended alike, if there are many."""
    if len(rows) <= ROWS_MAX:
        return rows
    groups: dict[object, list[tuple[Row, ProcessView]]] = {}
    for row, view in zip(rows, views, strict=True):
        alike: object = (row.state, row.exit) if view.rank is not None and view.attempt == 1 else row
        groups.setdefault(alike, []).append((row, view))
    return [_together(group) for group in groups.values()]


def _together(group: list[tuple[Row, ProcessView]]) -> Row:
    first = group[0][0]
    if len(group) == 1:
        return first
    rows = [row for row, _ in group]
    durations = [row.duration_ns for row in rows if row.duration_ns is not None]
    lines = [row.lines for row in rows if row.lines is not None]
    return replace(
        first,
        who=ranks_text(view.rank or 0 for _, view in group),
        duration_ns=max(durations, default=None),
        lines=sum(lines) if len(lines) == len(rows) else None,
        bytes=sum(row.bytes for row in rows),
    )


# ---- what went wrong ------------------------------------------------------------------------------------------------


def _verdict(folder: RunFolder) -> Verdict:
    """Judge the run; with signatures that are none it is done without them, which `ranklog why` complains of."""
    try:
        return judge(folder)
    except ReadingError as error:
        return Verdict(Status.UNKNOWN, str(error))


def failure(verdict: Verdict) -> str:
    """Say what went wrong in a line, and what was said last if that does not tell; empty if nothing did."""
    if verdict.status is Status.FINE or (verdict.status is Status.CANCELED and not verdict.culprits):
        return ""
    if len(verdict.culprits) != 1 or verdict.culprits[0].has_said_why or verdict.category is Category.NOT_STARTED:
        return verdict.headline
    last = verdict.culprits[0].last_words
    return verdict.headline + (f"; its last line: {last[-1].text}" if last else "; it said nothing")
