"""A file as pages, however long it is: only what is on the screen is read, and what is searched. No I/O of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ranklog_collector.reading.grep import Pattern
from ranklog_collector.reading.lines import Piece, Read, last_lines_start, line_start, pieces
from ranklog_collector.top.spans import shown_lines

PIECE_BYTES = 1 << 16
SEARCH_BYTES = 1 << 22
"""After so much a search lets others have their turn."""
LINE_CHARS_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Page:
    """Lines of a file as they are shown: the text of each, and where the next one begins."""

    top: int
    lines: tuple[str, ...]
    ends: tuple[int, ...]
    size: int

    @property
    def is_end(self) -> bool:
        """Whether the file goes no further."""
        return not self.ends or self.ends[-1] >= self.size


def page(read: Read, size: int, top: int, height: int) -> Page:
    """Read so many lines from an offset on, at which a line begins."""
    texts: list[str] = []
    ends: list[int] = []
    for piece in pieces(read, top, size, PIECE_BYTES):
        for text, end in _lines(piece):
            texts.append(text)
            ends.append(end)
            if len(texts) == height:
                return Page(top, tuple(texts), tuple(ends), size)
    return Page(top, tuple(texts), tuple(ends), size)


def last_page(read: Read, size: int, height: int) -> Page:
    """Read the last lines."""
    return page(read, size, last_lines_start(read, 0, size, height), height)


def above(read: Read, top: int, count: int) -> int:
    """Where the line that is so many above begins."""
    return last_lines_start(read, 0, top, count) if top > 0 and count > 0 else top


def below(read: Read, size: int, top: int, count: int, height: int) -> int:
    """Where the line that is so many below begins; the page from there on is full if the file allows it."""
    last = last_lines_start(read, 0, size, height)
    ends = page(read, size, top, count).ends
    return max(top, min(last, ends[-1])) if ends and top < last else max(top, last)


def search(read: Read, size: int, start: int, pattern: Pattern) -> Iterator[int | None]:
    """Look for lines that match, from an offset on: yields where each begins, and None after every portion."""
    while start < size:
        end = min(size, start + SEARCH_BYTES)
        if end < size:
            end = line_start(read, end)
            if end <= start:
                end = next((piece.end for piece in pieces(read, start, size, PIECE_BYTES)), size)
        for piece in pattern.select(pieces(read, start, end, PIECE_BYTES), read):
            yield piece.offset
        yield None
        start = end


def search_back(read: Read, end: int, pattern: Pattern) -> Iterator[int | None]:
    """Look for lines that match and begin before an offset, the last one first."""
    while end > 0:
        start = line_start(read, max(0, end - SEARCH_BYTES))
        found = [piece.offset for piece in pattern.select(pieces(read, start, end, PIECE_BYTES), read)]
        yield from reversed(found)
        yield None
        end = start


def _lines(piece: Piece) -> Iterator[tuple[str, int]]:
    if piece.is_abridged:
        yield shown_lines(piece.data.rstrip(b"\n"))[0][:LINE_CHARS_MAX], piece.end
        return
    at = piece.offset
    for raw in piece.data.split(b"\n"):
        if at >= piece.end:
            return
        at = min(piece.end, at + len(raw) + 1)
        yield shown_lines(raw)[0][:LINE_CHARS_MAX], at
