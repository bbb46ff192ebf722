"""What stands around the lines that are wanted: so many lines before and after, and what belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ranklog_collector.core.passages import BYTES_MAX, begun, may_begin
from ranklog_collector.reading.lines import Piece, Read, last_lines_start, line_start, next_lines_end
from ranklog_collector.reading.text import shown

GROUP_BYTES_MAX = 1 << 20
"""What is wanted and stands together is parted where it gets larger."""


@dataclass(frozen=True, slots=True)
class Context:
    """How much of it is wanted."""

    before: int = 0
    """Lines of the same stream."""
    after: int = 0
    is_whole: bool = False
    """Whether of a traceback all lines are wanted if one is."""
    is_parted: bool = False
    """Whether each line is to have its own time; else what stands together has one, and stays together."""


def widened(
    found: Iterable[tuple[int, Sequence[Piece]]], context: Context, read: Read, begin: int, end: int
) -> Iterator[list[Piece]]:
    """Add their context to pieces of a stream that was read from `begin` on; what overlaps is one piece.

    `found` gives how far the stream has been searched, and what was found on the way. `end` is the stream's end.
    """
    start = stop = begin
    """What is wanted already, and not yielded."""
    for searched, pieces in found:
        ready: list[Piece] = []
        for piece in pieces:
            first, last = (piece.offset, piece.end) if piece.is_abridged else _around(piece, context, read, stop, end)
            if first > stop or last - start > GROUP_BYTES_MAX:
                ready += _read(read, start, stop)
                start = max(first, stop)
            stop = max(stop, last)
            if piece.is_abridged:
                ready += [*_read(read, start, min(stop, piece.offset)), piece]
                start = stop
        if stop <= searched:
            ready += _read(read, start, stop)
            start = stop
        yield ready
    yield list(_read(read, start, stop))


def _read(read: Read, start: int, stop: int) -> Iterator[Piece]:
    if start < stop and (data := read(start, stop - start)):
        yield Piece(start, start + len(data), data)


def _around(piece: Piece, context: Context, read: Read, floor: int, end: int) -> tuple[int, int]:
    """From where to where a piece goes with its context; nothing before `floor` counts."""
    first, last = piece.offset, piece.end
    if context.is_whole:
        first, last = _whole(first, last, read, end)
    if context.before:
        first = (
            last_lines_start(read, max(floor, first - GROUP_BYTES_MAX), first, context.before)
            if first > floor
            else first
        )
    if context.after:
        last = next_lines_end(read, last, min(end, last + GROUP_BYTES_MAX), context.after)
    return first, last


def _whole(first: int, last: int, read: Read, end: int) -> tuple[int, int]:
    """Take in the lines that belong together with those from `first` to `last`."""
    begin = max(0, first - BYTES_MAX)
    begin = line_start(read, begin) if begin else 0
    data = read(begin, min(end, last + BYTES_MAX) - begin)
    if not may_begin(data):
        return first, last
    offset, passage, started, earliest, latest = begin, None, begin, first, last
    for line in data.split(b"\n"):
        text = shown(line)
        if passage is None or not passage.take(text):
            if passage is not None and offset > first and started < last:
                earliest, latest = min(earliest, started), max(latest, offset)
            if offset >= last:
                return earliest, latest
            passage, started = begun(text), offset
        offset += len(line) + 1
    if passage is not None and started < last:
        earliest, latest = min(earliest, started), max(latest, min(offset - 1, end))
    return earliest, latest
