"""Large parts of a file are left out of a search, and no line that is wanted is among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ranklog_collector.core.line_levels import LEVELS, line_level
from ranklog_collector.reading import sieve
from ranklog_collector.reading.grep import AtLeast, Both, Pattern, Wanted
from ranklog_collector.reading.lines import LINE_BYTES_MAX, Piece
from ranklog_collector.reading.sieve import LOOK_MAX, OVERLAP, sifted
from ranklog_collector.reading.text import shown

EXPRESSIONS = [
    "err",
    "err|bad",
    "er.*ad",
    "^err",
    "bad$",
    "(?i)ERR",
    "[a-z]rr b",
    "err b?",
    "ü",
    "rü",
    "err(?! b)",
    "(?<!a)bad",
    "\ufffdr",
    "␀␀",
    "",
    "a",
    "^$",
    r"\s",
    r"\Aa",
    "a.*a$",
    r"\ba\b",
    "(a|b)[ae]",
    "a$|^x",
    r"[^x]\Z",
]
WORDS = [b"err", b"er", b"r", b"ERR", b"bad", b"ba", b" ", b"a", b"x" * 20, b"\xc3\xbc"]
HOSTILE = [b"\n", b"\n", b"\r", b"\r\n", b"\t", b"\b", b"\0", b"\x1b[1m", b"\x1b", b"\xc3", b"\xff", b"\xc2\x9b"]
CONTENTS = st.lists(st.sampled_from(WORDS + HOSTILE), max_size=40).map(b"".join)


@contextmanager
def small_looks() -> Iterator[None]:
    with patch.multiple(sieve, LOOK_MIN=16, LOOK_MAX=32, OVERLAP=12):
        yield


def searched(data: bytes, wanted: Wanted, start: int = 0, size: int = 16) -> list[bytes]:
    """The lines that are found; that what was read grows and is whole lines is seen to by the way."""
    lines: list[bytes] = []
    at = start

    def read(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    for piece in sifted(read, start, len(data), size, wanted.suspect):
        assert at <= piece.offset <= piece.end
        assert piece.end == len(data) or data[piece.end - 1 : piece.end] == b"\n"
        at = piece.end
        for passage in wanted.passages(piece, read):
            lines += re.findall(rb"[^\n]*\n|[^\n]+", passage.data)
    assert at == len(data)
    return lines


def cut(data: bytes) -> list[tuple[bytes, str]]:
    """Its lines, each as it is and as it is shown."""
    return [(line, shown(line.removesuffix(b"\n")).decode()) for line in re.findall(rb"[^\n]*\n|[^\n]+", data)]


@given(CONTENTS, st.sampled_from(EXPRESSIONS), st.booleans(), st.booleans())
@example(b"a\n" * 8 + b"er\x1b[1mr\nbad", "err", False, False)
@example(b"x" * 60 + b"err" + b"x" * 60 + b"\n\n", "err", False, False)
@example(b"x" * 40 + b"a" + b"x" * 40 + b"a\n\n", "a.*a$", False, False)
@example("aü".encode(), r"\ba\b", False, False)
@example(b"x" * 15 + b"err" + b"x" * 60 + b"\n", "err", False, False)
@example(b"a\n" * 9 + b"er\br\n", "err", False, False)
@example(b"fine\n" * 5 + b"\xffr\n", "\ufffdr", False, False)
@example(b"fine\n" * 5 + b"\0\0\n", "␀␀", False, False)
def test_the_lines_found_are_those_that_match_one_by_one(
    data: bytes, expression: str, ignore_case: bool, invert: bool
) -> None:
    # RE2's classes are of ASCII.
    matches = re.compile(expression, re.ASCII | (re.IGNORECASE if ignore_case else 0)).search
    with small_looks():
        found = searched(data, Pattern(expression, ignore_case, invert))
    assert found == [line for line, text in cut(data) if bool(matches(text)) is not invert]


@given(CONTENTS, st.sampled_from(LEVELS), st.sampled_from(["err", "bad", "a"]))
@example(b"fine\n" * 7 + b"ValueError: bad\nValueError: good\nbad\n", "error", "bad")
@example(b"bad\n", "debug", "bad")
def test_lines_so_grave_that_match_are_found(data: bytes, level: str, expression: str) -> None:
    data = data.replace(b"err", b"ERROR: err").replace(b"ba", b"W1121 10:00:00.0 ba")
    grave = LEVELS[LEVELS.index(level) :]
    with small_looks():
        found = searched(data, Both(Pattern(expression), AtLeast(level)))
    assert found == [
        line for line, text in cut(data) if line_level(text.encode()) in grave and re.search(expression, text)
    ]


@pytest.mark.parametrize("before", [0, LOOK_MAX - 3, LOOK_MAX - OVERLAP - 3, 3 * LINE_BYTES_MAX - 3])
def test_a_line_longer_than_what_is_looked_through_is_found_by_what_stands_anywhere_in_it(before: int) -> None:
    long = b"x" * before + b"needle" + b"y" * (4 * LINE_BYTES_MAX - before) + b"\n"
    data = b"short\n" + long + b"short\n"
    pattern = Pattern("needle")
    pieces = sifted(lambda at, size: data[at : at + size], 0, len(data), 1 << 16, pattern.suspect)
    assert [(one.offset, one.end) for one in pieces if one.data] == [(6, 6 + len(long))]


def test_what_is_vain_is_read_in_large_parts_and_told() -> None:
    data = b"nothing of note\n" * 200_000
    told = list(sifted(lambda at, size: data[at : at + size], 0, len(data), 1 << 16, Pattern("needle").suspect))
    assert len(told) < len(data) / LOOK_MAX + 5
    assert told[-1] == Piece(len(data), len(data), b"")


def test_what_is_vain_before_a_line_that_may_grow_need_not_be_looked_at_again() -> None:
    data = b"nothing of note\n" * 3 + b"per"
    told = list(sifted(lambda at, size: data[at : at + size], 0, len(data), 1 << 16, Pattern("needle").suspect))
    assert told == [Piece(48, 48, b""), Piece(48, 51, b"per")]


def test_a_file_that_ends_earlier_than_thought_is_read_to_its_end() -> None:
    data = b"a\nneedle\nb\nneed"
    pieces = list(sifted(lambda at, size: data[at : at + size], 0, 1 << 30, 4, Pattern("needle").suspect))
    assert pieces[-1].end == len(data)
    assert b"needle\n" in [one.data for one in pieces]
