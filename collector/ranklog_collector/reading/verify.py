"""Proof that a run folder holds what its journal vouches for, and what is known to be missing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from ranklog_collector.core.layout import EXECUTION, INTERNAL, PROCESS_INFO, PROCESS_STATUS, RUN
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.losses import losses
from ranklog_collector.reading.sources import Incarnation, SourceCheck, SourceState, check_source, newest_segments
from ranklog_collector.reading.spans import Span, read_spans, spans_by_segment, total
from ranklog_collector.reading.state import Segment, Stream

DERIVED = frozenset({RUN, PROCESS_INFO, PROCESS_STATUS, EXECUTION})
_ATTEMPTS = 3
Newest = Mapping[Incarnation, int] | None


@dataclass(frozen=True, slots=True)
class SegmentCheck:
    """One segment of one file: how many bytes the journal vouches for, and what is wrong with them, if anything is."""

    path: str
    node: str
    segment: str
    size: int
    is_closed: bool
    problem: str | None = None
    source: SourceCheck | None = None


@dataclass(slots=True)
class Report:
    """What a verification found. `problems` are certain; `notes` are what is worth knowing or cannot be told."""

    run_id: str
    checks: list[SegmentCheck] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        """Whether nothing is known to be wrong or missing."""
        return not self.problems and all(check.problem is None for check in self.checks)

    @property
    def bytes(self) -> int:
        """How many bytes were compared."""
        return sum(check.size for check in self.checks)


def verify(folder: RunFolder, with_sources: bool = False) -> Report:
    """Read every byte that the journal vouches for and compare its checksum.

    `with_sources` also compares with the source files, where they are on this machine.
    """
    report = Report(folder.run_id)
    newest = newest_segments(folder.state) if with_sources else None
    for number in list(folder.state.streams):
        _check_stream(folder, number, newest, report)
    problems, notes = losses(folder.state)
    if folder.damage:
        report.problems.append(folder.damage)
    report.problems += problems
    report.notes += notes
    report.notes += [f"{path} is in the folder, but nobody vouches for it" for path in _strangers(folder)]
    return report


def _check_stream(folder: RunFolder, number: int, newest: Newest, report: Report) -> None:
    for attempt in range(_ATTEMPTS):
        if number not in folder.state.streams:
            return  # void: the collector has fallen back
        stream = folder.state.streams[number]
        checks = [
            _check(folder, stream, segment, spans, newest) for segment, spans in spans_by_segment(folder.state, stream)
        ]
        if all(check.problem is None for check in checks) or attempt + 1 == _ATTEMPTS or not folder.refresh():
            break
        # The collector has replaced, cut or moved the file while it was read: look again.
    report.checks += checks
    if (excess := _excess(folder, stream)) and not folder.is_written:
        text = f"{stream.path} has {excess} bytes at its end that nobody vouches for"
        if folder.state.is_stopped or stream.snapshot is not None:
            report.problems.append(text)
        else:
            report.notes.append(text + ": its collector did not get to it, and will fetch them again")


def _check(folder: RunFolder, stream: Stream, segment: Segment, spans: list[Span], newest: Newest) -> SegmentCheck:
    is_closed = segment.closed is not None
    problem = _problem(folder, stream, segment, spans)
    source = check_source(folder, stream, segment, spans, newest) if newest is not None else None
    if problem is None and source is not None:
        if source.state is SourceState.DIFFERS:
            problem = f"the bytes are not those of its source {source.path}"
        elif source.state is SourceState.HAS_MORE and is_closed:
            problem = f"its source {source.path} has {source.more} bytes more"
    return SegmentCheck(stream.path, stream.node, segment.id, total(spans), is_closed, problem, source)


def _problem(folder: RunFolder, stream: Stream, segment: Segment, spans: list[Span]) -> str | None:
    end, checksum = segment.end, segment.checksums[-1] if segment.checksums else 0
    if segment.closed is not None:
        end, checksum = segment.closed.size, segment.closed.crc
    if total(spans) != end:
        return f"the journal accounts for {total(spans)} bytes of a segment of {end}"
    if not spans:
        return None
    try:
        with folder.opened(stream) as file:
            missing = spans[-1].end - os.fstat(file).st_size
            if missing > 0:
                return f"the file ends {missing} bytes too early"
            found = 0
            for data in read_spans(file, spans):
                found = crc32(data, found)
            return None if found == checksum else _where(file, segment, spans)
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"


def _where(file: int, segment: Segment, spans: list[Span]) -> str:
    """Narrow a difference down: the marks hold the checksum of every beginning of the segment that was synced."""
    good = at = checksum = 0
    for span, mark_end, mark_checksum in _cut_at_marks(segment, spans):
        for data in read_spans(file, [span]):
            checksum = crc32(data, checksum)
        at += span.size
        if at == mark_end:
            if checksum != mark_checksum:
                first, last = _position(spans, good), _position(spans, mark_end - 1)
                return f"the bytes differ somewhere from {first} to {last} of the file"
            good = at
    return "the bytes differ from what the journal vouches for"


def _cut_at_marks(segment: Segment, spans: list[Span]) -> Iterator[tuple[Span, int, int]]:
    at = 0
    marks = iter(zip(segment.ends, segment.checksums, strict=True))
    mark = next(marks, None)
    for span in spans:
        start = span.start
        while start < span.end and mark is not None:
            part = Span(start, min(span.end, start + mark[0] - at))
            yield part, *mark
            at += part.size
            start = part.end
            if at >= mark[0]:
                mark = next(marks, None)


def _position(spans: list[Span], offset: int) -> int:
    """Where in the file the segment's byte at `offset` is."""
    for span in spans:
        if offset < span.size:
            return span.start + offset
        offset -= span.size
    return spans[-1].end


def _excess(folder: RunFolder, stream: Stream) -> int:
    try:
        with folder.opened(stream) as file:
            return max(0, os.fstat(file).st_size - stream.size)
    except OSError:
        return 0


def _strangers(folder: RunFolder) -> list[str]:
    """List what is in the folder without being anybody's."""
    known = {stream.path for stream in folder.state.streams.values()} | DERIVED
    found = []
    for where, folders, names in os.walk(folder.path):
        inside = os.path.relpath(where, folder.path)
        if inside == ".":
            folders[:] = [name for name in folders if name != INTERNAL]
        links = [name for name in folders if os.path.islink(os.path.join(where, name))]
        for name in names + links:
            path = os.path.normpath(os.path.join(inside, name))
            if path not in known or not stat.S_ISREG(os.lstat(os.path.join(where, name)).st_mode):
                found.append(path)
    return sorted(found)
