"""A stream's file in pieces of whole lines, without the large parts in which nothing can be wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from ranklog_collector.reading.lines import Piece, Read, pieces

LOOK_MIN, LOOK_MAX = 64 << 10, 512 << 10
"""How many bytes are looked through at once: more and more while nothing is found, but no more than caches hold."""
OVERLAP = 32 << 10
"""Inside a line that is longer than what is looked through: no text that is looked for is longer."""

Suspect = Callable[[bytes], int]
"""Tells where the first text is of which the line may be wanted, or an earlier place; -1 if there is none."""


def sifted(read: Read, start: int, end: int, size: int, suspect: Suspect) -> Iterator[Piece]:
    """Read the bytes from `start` to `end` in pieces of about `size` bytes, as `pieces` does, but leave parts out.

    An empty piece tells how far that went. A last line without its newline is never left out: it may grow.
    """
    line = at = start
    look = LOOK_MIN
    while at < end:
        data = read(at, min(look, end - at))
        if len(data) < min(look, end - at):
            end = at + len(data)
        found = suspect(data)
        if found < 0 and at + len(data) == end and not data.endswith(b"\n"):
            found = len(data)
        newline = data.rfind(b"\n", 0, len(data) if found < 0 else found) + 1
        if newline:
            line = at + newline
            yield Piece(line, line, b"")
        if found >= 0:
            for piece in islice(pieces(read, line, end, size), 1):
                line = piece.end
                yield piece
            at, look = line, LOOK_MIN
        else:
            at, look = line if newline else at + len(data) - OVERLAP, min(2 * look, LOOK_MAX)
