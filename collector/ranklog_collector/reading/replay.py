"""Taking in a journal, entry by entry. No I/O."""

from __future__ import annotations

from typing import Any

from ranklog_collector.core import journal
from ranklog_collector.core.presence import NOT_STARTED
from ranklog_collector.reading.state import RunState, Segment, Stream
from ranklog_collector.reading.timeline import Timeline

SIZE_MAX = 1 << 60
"""Nothing is larger than this, in bytes."""


def apply(state: RunState, entry: journal.Entry) -> None:
    """Take in the next entry. One that speaks of what is not known, or nonsense, is counted and skipped."""
    try:
        _HANDLERS[type(entry)](state, entry)
    except (KeyError, OverflowError):
        state.stray += 1
    if isinstance(entry, journal.Mark):
        return  # nearly all entries are marks: they must cost little
    if not isinstance(entry, (journal.Extent, journal.Clock)):
        state.revision += 1
    state.heard = max(state.heard, getattr(entry, "time", 0))
    state.is_stopped = isinstance(entry, journal.Stopped)


def _check(*sizes: int) -> None:
    for size in sizes:
        if not 0 <= size <= SIZE_MAX:
            raise OverflowError


def _run(state: RunState, entry: journal.Run) -> None:
    state.run = entry
    if entry.origin == journal.API:
        state.state = "running"  # who makes it by REST runs already, and its journal tells of no process


def _node(state: RunState, entry: journal.Node) -> None:
    node = state.node(entry.node)
    node.event, node.time, node.reason, node.undelivered = entry.event, entry.time, entry.reason, entry.undelivered
    node.ip, node.hostname = entry.ip or node.ip, entry.hostname or node.hostname
    node.version = entry.version or node.version
    node.heard = entry.heard


def _clock(state: RunState, entry: journal.Clock) -> None:
    state.node(entry.node).clock.set(entry.offset_ns, entry.error_ns, entry.time)


def _process(state: RunState, entry: journal.Process) -> None:
    clock = state.node(entry.node).clock
    if state.state == NOT_STARTED:
        state.state, state.state_time = "running", entry.time
    state.processes.apply(entry, clock.offset_ns, clock.error_ns)


def _stream(state: RunState, entry: journal.Stream) -> None:
    state.streams[entry.stream] = Stream(entry.stream, entry.node, entry.role, entry.process, entry.name, entry.path)


def _path(state: RunState, entry: journal.Path) -> None:
    stream = state.streams[entry.stream]
    stream.former_paths.append(stream.path)
    stream.path = entry.path


def _segment(state: RunState, entry: journal.Segment) -> None:
    state.streams[entry.stream].segments.append(entry.segment)
    state.segments[entry.segment] = Segment(
        entry.segment, entry.id, entry.stream, entry.source, entry.dev, entry.ino, entry.snapshot
    )


def _extent(state: RunState, entry: journal.Extent) -> None:
    segment = state.segments[entry.segment]
    stream = state.streams[segment.stream]
    _check(entry.at, entry.pos)
    if stream.extents and entry.pos < stream.extents[-1].pos:
        raise OverflowError
    segment.extents.append(entry)
    stream.extents.append(entry)


def _mark(state: RunState, entry: journal.Mark) -> None:
    segment, end = state.segments[entry.segment], entry.end
    _check(end, entry.crc)
    segment.ends.append(end)
    segment.checksums.append(entry.crc)
    if segment.closed is not None and end > segment.closed.size:
        segment.closed = None  # taken up again: its source has grown after all
    for extent in reversed(segment.extents):
        if extent.at < end:
            stream = state.streams[segment.stream]
            stream.size = size = max(stream.size, extent.pos + end - extent.at)
            for position, time in entry.seen:
                if position <= size:
                    stream.timeline.add(position, time)
            return


def _reset(state: RunState, entry: journal.Reset) -> None:
    _check(entry.size)
    stream = state.streams[entry.stream]
    stream.size = min(stream.size, entry.size)
    stream.extents = [extent for extent in stream.extents if extent.pos < entry.size]
    stream.timeline.cut(entry.size)
    stream.rewrites += 1
    for number in stream.segments:
        segment = state.segments[number]
        segment.extents = [extent for extent in segment.extents if extent.pos < entry.size]
        _cut_marks(segment, entry.size)


def _cut_marks(segment: Segment, size: int) -> None:
    """Take back what was vouched for behind `size` of the stream's file."""
    last = segment.extents[-1] if segment.extents else None
    held = last.at + size - last.pos if last else 0
    while segment.ends and segment.ends[-1] > held:
        segment.ends.pop()
        segment.checksums.pop()
    if segment.closed is not None and segment.closed.size > held:
        segment.closed = None


def _close(state: RunState, entry: journal.Close) -> None:
    _check(entry.size, entry.crc)
    state.segments[entry.segment].closed = entry


def _snapshot(state: RunState, entry: journal.Snapshot) -> None:
    _check(entry.size, entry.crc)
    segment = state.segments[entry.segment]
    segment.closed = entry
    stream = state.streams[segment.stream]
    stream.snapshot, stream.size = entry.segment, entry.size
    stream.extents = segment.extents = [journal.Extent(entry.segment, 0, 0)]
    stream.rewrites += 1
    stream.timeline = Timeline()
    stream.timeline.add(entry.size, entry.time - state.clock(stream).offset_ns)


def _gap(state: RunState, entry: journal.Gap) -> None:
    _check(entry.at, entry.end or 0)
    state.segments[entry.segment].gaps.append(entry)


def _pause(state: RunState, entry: journal.Pause) -> None:
    state.pause = entry


def _stacks(state: RunState, entry: journal.Stacks) -> None:
    state.stack_requests[entry.request] = entry


def _resume(state: RunState, entry: journal.Resume) -> None:
    state.pause = None


def _state(state: RunState, entry: journal.State) -> None:
    state.state, state.state_time = entry.state, entry.time


def _asked(state: RunState, entry: journal.Asked) -> None:
    state.processes.asked.append(entry)


def _stopped(state: RunState, entry: journal.Stopped) -> None:
    state.is_stopped = True


_HANDLERS: dict[type, Any] = {
    journal.Run: _run,
    journal.Node: _node,
    journal.Clock: _clock,
    journal.Process: _process,
    journal.Stream: _stream,
    journal.Path: _path,
    journal.Segment: _segment,
    journal.Extent: _extent,
    journal.Mark: _mark,
    journal.Reset: _reset,
    journal.Close: _close,
    journal.Snapshot: _snapshot,
    journal.Gap: _gap,
    journal.Pause: _pause,
    journal.Resume: _resume,
    journal.State: _state,
    journal.Asked: _asked,
    journal.Stacks: _stacks,
    journal.Stopped: _stopped,
}
