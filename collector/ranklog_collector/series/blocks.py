"""A stream's file in blocks of whole lines. No I/O of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ranklog.points.reading import LINE_BYTES_MAX

BLOCK_BYTES = 4 << 20

Read = Callable[[int, int], bytes]
"""Reads at most so many bytes at an offset: (offset, size)."""


class Block(NamedTuple):
    """Whole lines from `begin` to `end`, or a line that is too long, without its bytes."""

    begin: int
    end: int
    data: bytes


def blocks(read: Read, begin: int, end: int) -> Iterator[Block]:
    """Read whole lines from `begin`, the start of one, up to `end`; what lacks its newline is left."""
    size = BLOCK_BYTES
    while begin < end:
        data = read(begin, min(size, end - begin))
        whole = data.rfind(b"\n") + 1
        if whole:
            yield Block(begin, begin + whole, data[:whole])
            begin, size = begin + whole, BLOCK_BYTES
        elif len(data) < size:
            return
        elif size <= LINE_BYTES_MAX:
            size *= 2
        else:
            behind = _line_end(read, begin + len(data), end)
            if behind is None:
                return
            yield Block(begin, behind, b"")
            begin, size = behind, BLOCK_BYTES


def _line_end(read: Read, begin: int, end: int) -> int | None:
    while begin < end and (data := read(begin, min(BLOCK_BYTES, end - begin))):
        newline = data.find(b"\n")
        if newline >= 0:
            return begin + newline + 1
        begin += len(data)
    return None
