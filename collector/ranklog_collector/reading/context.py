"""What stands around the lines that are wanted: so many lines before and after, and what belongs together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ranklog_collector.core.passages import BYTES_MAX, begun, may_begin
from ranklog_collector.reading.lines import Piece, Read, last_lines_start, line_start, next_lines_end
from ranklog_collector.reading.text import shown

GROUP_BYTES_MAX = 1 << 20
"""What is wanted and stands together is parted where it gets larger."""
_LOOK_BYTES = 8 * BYTES_MAX


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
    found: Iterable[tuple[int, Sequence[Piece]]], context: Context, read: Read, floor: int, end: int
) -> Iterator[list[Piece]]:
    """Add their context to pieces of a stream; what overlaps is one piece, and nothing before `floor` is wanted.

    `found` gives how far the stream has been searched, and what was found on the way. `end` is the stream's end.
    """
    start = stop = floor
    """What is wanted already, and not yielded."""
    passages = _Passages(read, end)
    for searched, pieces in found:
        ready: list[Piece] = []
        for piece in pieces:
            first, last = piece.offset, piece.end
            if not piece.is_abridged:
                first, last = passages.around(first, last) if context.is_whole else (first, last)
                first, last = _with_lines(first, last, context, read, stop, end)
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


def resumed(begin: int, context: Context, read: Read, end: int) -> int:
    """Tell from where on a line before `begin`, if it is wanted, makes lines behind it be wanted."""
    start = begin
    if context.after:
        start = last_lines_start(read, max(0, begin - GROUP_BYTES_MAX), begin, context.after)
    if context.is_whole:
        start = min(start, _Passages(read, end).around(begin, begin)[0])
    return start


def _read(read: Read, start: int, stop: int) -> Iterator[Piece]:
    if start < stop and (data := read(start, stop - start)):
        yield Piece(start, start + len(data), data)


def _with_lines(first: int, last: int, context: Context, read: Read, floor: int, end: int) -> tuple[int, int]:
    """From where to where lines go with those around them; nothing before `floor` counts."""
    if context.before and first > floor:
        first = last_lines_start(read, max(floor, first - GROUP_BYTES_MAX), first, context.before)
    if context.after:
        last = next_lines_end(read, last, min(end, last + GROUP_BYTES_MAX), context.after)
    return first, last


class _Passages:
    """What belongs together in a stream; a part of it is looked at once for all that is asked about it."""

    def __init__(self, read: Read, end: int) -> None:
        self._read = read
        self._end = end
        self._begin = self._known = 0
        """From where to where the passages are known."""
        self._starts: list[int] = []
        self._ends: list[int] = []

    def around(self, first: int, last: int) -> tuple[int, int]:
        """Take in the lines that belong together with those from `first` to `last`, or with those beside `first`."""
        if first < self._begin or min(last + BYTES_MAX, self._end) > self._known:
            self._look(first, last)
        index = bisect_right(self._ends, first)
        earliest, latest = first, last
        while index < len(self._starts) and self._starts[index] < last:
            earliest, latest = min(earliest, self._starts[index]), max(latest, self._ends[index])
            index += 1
        return earliest, latest

    def _look(self, first: int, last: int) -> None:
        before = max(0, first - BYTES_MAX)
        before = line_start(self._read, before) if before else 0
        data = self._read(before, min(self._end, last + _LOOK_BYTES) - before)
        self._begin, self._known = first, before + len(data)
        found = list(_spans(data, before)) if may_begin(data) else []
        self._starts, self._ends = [start for start, _ in found], [end for _, end in found]


def _spans(data: bytes, offset: int) -> Iterator[tuple[int, int]]:
    """Where in lines, of which the first is at `offset`, passages begin and end."""
    # Of the passage there is, if there is one: where its lines begin.
    end, passage, lines = offset + len(data), None, [offset]
    for line in data.split(b"\n"):
        text = shown(line)
        if passage is not None and passage.take(text):
            lines.append(offset)
        else:
            if passage is not None:
                yield lines[0], lines[-passage.spare] if passage.spare else offset
            passage, lines = begun(text), [offset]
        offset += len(line) + 1
    if passage is not None:
        yield lines[0], lines[-passage.spare] if passage.spare else end
