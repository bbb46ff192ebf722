"""Finding lines fast: whole blocks are searched at once, and only what looks like a hit is looked at line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import re2

from ranklog_collector.core.line_levels import LEVELS, line_level, suspects
from ranklog_collector.reading.lines import LINE_BYTES_MAX, Piece, Read
from ranklog_collector.reading.needles import needles
from ranklog_collector.reading.text import joint, may_be_ours, shown

EXPRESSION_MAX = 10_000
_MEMORY_BYTES = 64 << 20
# What is not shown as it is, of what is ASCII.
_NOT_PLAIN = r"[\x00-\x08\x0b-\x1f\x7f]"
# Of the ends of the text, which a line has and a block has elsewhere.
_ENDS_OF_TEXT = re.compile(r"\\[Az]")
_BLIND = "(?i)"
_LONG_LINE_OVERLAP = 4096
_VAIN_BYTES = 4096
"""If needles are found in vain more often than once in so many bytes, they are of no help."""
_Find = Callable[[int], int]


class PatternError(Exception):
    """A text is no regular expression; the message says why."""


class Wanted(Protocol):
    """Tells which lines are wanted."""

    def passages(self, piece: Piece, read: Read) -> list[Piece]:
        """Cut the wanted lines out; those that follow one another are together."""
        raise NotImplementedError

    def suspect(self, data: bytes) -> int:
        """Tell where in bytes of the file the first text is that may make a line be wanted; -1 if nowhere.

        The bytes may begin and end inside of lines. It must be much faster than cutting them out.
        """
        raise NotImplementedError


class AtLeast:
    """Lines that say of themselves that they are so grave, or graver."""

    def __init__(self, least: str) -> None:
        self._levels = frozenset(LEVELS[LEVELS.index(least) :])
        self._suspects = Pattern(suspects(least), ignore_case=True)

    def passages(self, piece: Piece, read: Read) -> list[Piece]:
        """See Wanted."""
        suspected = list(self._suspects.select([piece], read))
        return [one for one in suspected if line_level(shown(one.data)) in self._levels]

    def suspect(self, data: bytes) -> int:
        """See Wanted."""
        return self._suspects.suspect(data)


class Both:
    """Lines that are wanted by one and by the other."""

    def __init__(self, one: Wanted, other: Wanted) -> None:
        self._one, self._other = one, other

    def passages(self, piece: Piece, read: Read) -> list[Piece]:
        """See Wanted."""
        return [found for part in self._one.passages(piece, read) for found in self._other.passages(part, read)]

    def suspect(self, data: bytes) -> int:
        """See Wanted."""
        if b"\n" not in data:
            return 0  # in a long line one may be here and the other further on
        one, other = self._one.suspect(data), self._other.suspect(data)
        return -1 if one < 0 or other < 0 else max(one, other)


class Pattern:
    """A regular expression that is to be found in a line as it is shown, without its newline.

    It is RE2's, which takes time in proportion to the text, whatever it is. One that RE2 does not know (looking around,
    referring back) is Python's, which may take for ever; with `is_bounded` it is refused. Raises PatternError.
    """

    def __init__(
        self, expression: str, ignore_case: bool = False, invert: bool = False, is_bounded: bool = False
    ) -> None:
        if len(expression) > EXPRESSION_MAX:
            raise PatternError(f"it is longer than {EXPRESSION_MAX:,} characters")
        if expression.startswith(_BLIND):
            expression, ignore_case = expression.removeprefix(_BLIND), True
        self._invert = invert
        self._in_line = _in_line(expression, ignore_case, is_bounded)
        self._in_block: Any = None
        self._in_plain: Any = None
        if not isinstance(self._in_line, re.Pattern) and not _ENDS_OF_TEXT.search(expression):
            self._in_block = _compiled(f"(?m){expression}", ignore_case)
            self._in_plain = _compiled(f"{_NOT_PLAIN}|(?m){expression}", ignore_case)
        words = needles(expression)
        self._needles = [_compiled(re2.escape(word), ignore_case) for word in words]
        self._may_be_ours = any(map(may_be_ours, words))

    def matches(self, line: bytes) -> bool:
        """Whether it is found in a line as it is shown."""
        if isinstance(self._in_line, re.Pattern):
            return bool(self._in_line.search(line.decode(errors="replace")))
        return bool(self._in_line.search(line))

    def select(self, pieces: Iterable[Piece], read: Read) -> Iterator[Piece]:
        """Cut the wanted lines out, one by one."""
        for piece in pieces:
            yield from _cut(piece, self._spans(piece, read))

    def passages(self, piece: Piece, read: Read) -> list[Piece]:
        """Cut the wanted lines out; those that follow one another are together."""
        return list(_cut(piece, _joined(self._spans(piece, read))))

    def suspect(self, data: bytes) -> int:
        """See Wanted."""
        if self._invert:
            return 0
        if not self._needles or self._may_be_ours:
            return self._suspect_plain(data)
        first = joint(data)
        for word in self._needles:
            found = word.search(data, 0, len(data) if first < 0 else first)
            first = found.start() if found else first
        return first

    def _suspect_plain(self, data: bytes) -> int:
        """What is shown as it is can be searched as it is, if only the last line may be cut off."""
        if self._in_plain is None or not data.isascii() or b"\n" not in data:
            return 0
        found = self._in_plain.search(data)
        return found.start() if found else -1

    def _spans(self, piece: Piece, read: Read) -> Iterable[tuple[int, int]]:
        data = piece.data
        if piece.is_abridged:
            return [(0, piece.end - piece.offset)] if self._is_in_long_line(piece, read) is not self._invert else []
        clean = shown(data)
        spans = self._hits(clean if not data or data.endswith(b"\n") else clean + b"\n")
        if clean is not data:
            spans = _by_number(data, clean, spans)
        return _between(spans, len(data)) if self._invert else spans

    def _hits(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Spans of the lines of `text`, which all have their newlines, that match."""
        find, is_certain = self._finder(text)
        at = vain = 0
        while at < len(text):
            found = find(at)
            start = text.rfind(b"\n", at, found) + 1 or at
            if found < 0 or start == len(text):
                return
            end = text.find(b"\n", max(found, start))
            if is_certain or self.matches(text[start:end]):
                yield start, end + 1
            else:
                vain += 1
                if vain * _VAIN_BYTES > len(text) and self._in_block is not None:
                    self._needles = []
                    find, is_certain = self._finder(text)
            at = end + 1

    def _finder(self, text: bytes) -> tuple[_Find, bool]:
        """How to find where the next line may match from a position on, and whether it then does."""
        if self._needles:
            return _first_of(self._needles, text), False
        if self._in_block is None:
            return lambda at: at, False
        search = self._in_block.search

        def find(at: int) -> int:
            found = search(text, at)
            return found.start() if found else -1

        return find, True

    def _is_in_long_line(self, piece: Piece, read: Read) -> bool:
        if b"\r" in piece.data:
            return self.matches(shown(piece.data).removesuffix(b"\n"))
        for offset in range(piece.offset, piece.end, LINE_BYTES_MAX):
            size = min(LINE_BYTES_MAX + _LONG_LINE_OVERLAP, piece.end - offset)
            if self.matches(shown(read(offset, size)).removesuffix(b"\n")):
                return True
        return False


def _in_line(expression: str, ignore_case: bool, is_bounded: bool) -> Any:
    try:
        return _compiled(expression, ignore_case)
    except PatternError:
        if is_bounded:
            raise
    try:
        return re.compile(expression, re.IGNORECASE if ignore_case else 0)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(str(error)) from error


def _compiled(expression: str, ignore_case: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    options.never_nl = True
    options.never_capture = True
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(expression.encode(), options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise PatternError(reason) from error


def _first_of(words: list[Any], haystack: bytes) -> _Find:
    """Find the first of several words; each one's next place is remembered, so that nothing is searched twice."""
    ahead = dict.fromkeys(range(len(words)), -2)

    def find(at: int) -> int:
        first = -1
        for word, place in ahead.items():
            if place == -2 or 0 <= place < at:
                found = words[word].search(haystack, at)
                place = ahead[word] = found.start() if found else -1  # noqa: PLW2901 - its next place
            if place >= 0 and (first < 0 or place < first):
                first = place
        return first

    return find


def _cut(piece: Piece, spans: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    if piece.is_abridged:
        yield from (piece for _ in spans)
        return
    offset, _, data = piece
    for start, end in spans:
        text = data[start:end]
        yield Piece(offset + start, offset + start + len(text), text)


def _by_number(data: bytes, text: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Translate spans of lines of the shown text to the same lines of the bytes."""
    shown_to = position = 0
    for start, end in spans:
        for _ in range(text.count(b"\n", shown_to, start)):
            position = data.find(b"\n", position) + 1
        newline = data.find(b"\n", position)
        stop = len(data) if newline < 0 else newline + 1
        yield position, stop
        shown_to, position = end, stop


def _between(spans: Iterable[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Yield the complement."""
    last = 0
    for start, end in spans:
        if start > last:
            yield last, start
        last = end
    if last < size:
        yield last, size


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Join spans that follow one another."""
    begin = last = -1
    for start, end in spans:
        if start != last:
            if begin >= 0:
                yield begin, last
            begin = start
        last = end
    if begin >= 0:
        yield begin, last
