"""A stream's file in pieces of whole lines, with the time at which each came; memory stays bounded, lines need not."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ranklog_collector.reading.timeline import Moments

LINE_BYTES_MAX = 1 << 20
"""A longer line is not held: it is shown by its beginning, or by its last redraw if it is a progress bar."""
LONG_LINE_SHOWN = 4096

Read = Callable[[int, int], bytes]
"""Reads at most so many bytes at an offset: (offset, size)."""


class Piece(NamedTuple):
    """Whole lines of a file: its bytes from `offset` to `end`. The file's last line may lack its newline.

    Of one line that is longer than LINE_BYTES_MAX, `data` is what is shown instead.
    """

    offset: int
    end: int
    data: bytes

    @property
    def is_abridged(self) -> bool:
        """Whether `data` stands for a line too long to hold."""
        return len(self.data) != self.end - self.offset


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a stream that was first seen at one time (nanoseconds on the collector's clock)."""

    stream: int
    time: int
    piece: Piece


def pieces(read: Read, start: int, end: int, size: int) -> Iterator[Piece]:
    """Read the bytes from `start` to `end` in pieces of about `size` bytes."""
    while start < end:
        wanted = min(size, end - start)
        data = read(start, wanted)
        if len(data) < wanted:
            end = start + len(data)
            if not data:
                return
        if start + len(data) < end:
            whole = data.rfind(b"\n") + 1
            if not whole:
                if size <= LINE_BYTES_MAX:
                    size *= 2
                else:
                    piece = _long_line(read, start, start + len(data), end)
                    yield piece
                    start = piece.end
                continue
            data = data[:whole]
        yield Piece(start, start + len(data), data)
        start += len(data)


def _long_line(read: Read, start: int, searched: int, end: int) -> Piece:
    while searched < end:
        data = read(searched, LINE_BYTES_MAX)[: end - searched]
        if not data:
            break
        newline = data.find(b"\n")
        if newline >= 0:
            searched += newline + 1
            break
        searched += len(data)
    tail = read(searched - LONG_LINE_SHOWN, LONG_LINE_SHOWN)
    if b"\r" in tail.rstrip():
        return Piece(start, searched, tail)
    newline_at_end = b"\n" if tail.endswith(b"\n") else b""
    note = b" \xe2\x80\xa6 [%d bytes in this line; --raw gives them all]" % (searched - start - len(newline_at_end))
    return Piece(start, searched, read(start, LONG_LINE_SHOWN) + note + newline_at_end)


def line_start(read: Read, position: int) -> int:
    """Find the beginning of the line that the byte at `position` belongs to."""
    while position > 0:
        begin = max(0, position - 65536)
        newline = read(begin, position - begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        position = begin
    return 0


def last_lines_start(read: Read, start: int, end: int, count: int) -> int:
    """Find where the last `count` lines between `start` and `end` begin."""
    if end > start and read(end - 1, 1) == b"\n":
        end -= 1
    position = end
    while position > start:
        begin = max(start, position - 65536)
        data = read(begin, position - begin)
        found = data.count(b"\n")
        if found >= count:
            for _ in range(count):
                data = data[: data.rfind(b"\n")]
            return begin + len(data) + 1
        count -= found
        position = begin
    return start


def next_lines_end(read: Read, start: int, end: int, count: int) -> int:
    """Find where the next `count` lines between `start` and `end` end."""
    while start < end and count > 0:
        data = read(start, min(65536, end - start))
        if not data:
            break
        at = 0
        while count > 0 and (newline := data.find(b"\n", at)) >= 0:
            at = newline + 1
            count -= 1
        start += at if count == 0 else len(data)
    return start


def count_lines(read: Read, start: int, end: int) -> int:
    """Count the lines between `start` and `end`, whether or not the last one has its newline."""
    count, last = 0, b"\n"
    while start < end and (data := read(start, min(LINE_BYTES_MAX, end - start))):
        count += data.count(b"\n")
        start, last = start + len(data), data[-1:]
    return count + (last != b"\n")


def timed(stream: int, source: Iterable[Piece], moments: Moments) -> Iterator[Block]:
    """Split pieces by the time at which their lines were complete."""
    positions, times = moments.positions, moments.times
    for piece in source:
        index = bisect_left(positions, piece.offset + 1)
        if piece.is_abridged or index >= len(positions) - 1 or positions[index] >= piece.end:
            yield Block(stream, moments.of(piece.end), piece)
            continue
        start = 0
        offset, end, data = piece
        while index < len(positions) and positions[index] < end:
            cut = data.rfind(b"\n", start, positions[index] - offset) + 1
            if cut > start and (index + 1 == len(times) or times[index + 1] != times[index]):
                yield Block(stream, times[index], Piece(offset + start, offset + cut, data[start:cut]))
                start = cut
            index += 1
        if start < len(data):
            yield Block(stream, moments.of(end), Piece(offset + start, end, data[start:]))
