"""Finding lines fast: whole blocks are searched at once, and only what looks like a hit is looked at line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from ranklog_collector.reading.lines import LINE_BYTES_MAX, Piece, Read
from ranklog_collector.reading.text import shown

_LITERALS = re.compile(r"[^\\.^$*+?{}\[\]()\n]+")
# What fails in a block although it matches the line alone: looking around, the ends of the text, giving nothing back.
_WHOLE_LINE_ONLY = re.compile(r"\\[AZz]|\(\?(?:[=!(>]|<[=!])|[*+?}]\+")
_LONG_LINE_OVERLAP = 4096
_Find = Callable[[str, int], int]


class Pattern:
    """A regular expression that is to be found in a line as it is shown, without its newline.

    Raises re.error if it is none.
    """

    def __init__(self, expression: str, ignore_case: bool = False, invert: bool = False) -> None:
        self._invert = invert
        self._line = re.compile(expression, re.IGNORECASE if ignore_case else 0)
        self._anywhere = re.compile(expression, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
        self._literals: list[str] = []
        if _LITERALS.fullmatch(expression) and all(expression.split("|")):
            # str.find is 8 times as fast as a regular expression that has alternatives or ignores case.
            self._literals = expression.split("|")
        self._lower = ignore_case
        self._sees_lines_in_blocks = not _WHOLE_LINE_ONLY.search(expression)

    def select(self, pieces: Iterable[Piece], read: Read) -> Iterator[Piece]:
        """Cut the wanted lines out."""
        for piece in pieces:
            if piece.is_abridged:
                if self._is_in_long_line(piece, read) is not self._invert:
                    yield piece
            else:
                yield from self._select(piece)

    def _select(self, piece: Piece) -> Iterator[Piece]:
        data = piece.data
        clean = shown(data)
        text = clean.decode()
        spans = self._hits(text if not data or data.endswith(b"\n") else text + "\n")
        if clean is not data:
            spans = _by_number(data, text, spans)
        elif len(text) != len(data):
            spans = _in_bytes(text, spans)
        if self._invert:
            spans = _between(spans, len(data))
        for start, end in spans:
            yield Piece(piece.offset + start, piece.offset + min(end, len(data)), data[start:end])

    def _hits(self, text: str) -> Iterator[tuple[int, int]]:
        """Spans of the lines of `text` that match, with their newlines."""
        find = self._finder(text)
        at = 0
        while at < len(text):
            found = find(text, at)
            start = text.rfind("\n", at, found) + 1 or at
            if found < 0 or start == len(text):
                return
            end = text.find("\n", max(found, start))
            if self._line.search(text[start:end]):
                yield start, end + 1
            at = end + 1

    def _finder(self, text: str) -> _Find:
        if not self._sees_lines_in_blocks:
            return lambda _, at: at
        if self._literals and not (self._lower and not text.isascii()):
            lowered = text.lower() if self._lower else text
            return _first_of([word.lower() for word in self._literals] if self._lower else self._literals, lowered)

        def find(text: str, at: int) -> int:
            found = self._anywhere.search(text, at)
            return found.start() if found else -1

        return find

    def _is_in_long_line(self, piece: Piece, read: Read) -> bool:
        if b"\r" in piece.data:
            return bool(self._line.search(shown(piece.data).decode()))
        for offset in range(piece.offset, piece.end, LINE_BYTES_MAX):
            size = min(LINE_BYTES_MAX + _LONG_LINE_OVERLAP, piece.end - offset)
            if self._line.search(shown(read(offset, size)).decode()):
                return True
        return False


def _first_of(words: list[str], haystack: str) -> _Find:
    """Find the first of several words; each one's next place is remembered, so that nothing is searched twice."""
    ahead = dict.fromkeys(words, -2)

    def find(_: str, at: int) -> int:
        first = -1
        for word, place in ahead.items():
            if place == -2 or 0 <= place < at:
                place = ahead[word] = haystack.find(word, at)  # noqa: PLW2901 - its next place
            if place >= 0 and (first < 0 or place < first):
                first = place
        return first

    return find


def _in_bytes(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Translate spans of characters to spans of bytes."""
    characters = position = 0
    for start, end in spans:
        position += len(text[characters:start].encode())
        begin = position
        position += len(text[start:end].encode())
        characters = end
        yield begin, position


def _by_number(data: bytes, text: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Translate spans of lines of the shown text to the same lines of the bytes."""
    characters = position = 0
    for start, end in spans:
        for _ in range(text.count("\n", characters, start)):
            position = data.find(b"\n", position) + 1
        newline = data.find(b"\n", position)
        stop = len(data) if newline < 0 else newline + 1
        yield position, stop
        characters, position = end, stop


def _between(spans: Iterable[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Yield the complement."""
    last = 0
    for start, end in spans:
        if start > last:
            yield last, start
        last = end
    if last < size:
        yield last, size
