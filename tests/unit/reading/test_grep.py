"""A pattern finds exactly the lines that it would find one by one, however they lie in their block."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ranklog_collector.reading.grep import Pattern
from ranklog_collector.reading.lines import LINE_BYTES_MAX, Piece, pieces
from ranklog_collector.reading.text import shown

EXPRESSIONS = [
    "b",
    "a|bb",
    "B",
    "^a",
    "b$",
    "^$",
    "$",
    "",
    "a.*b",
    r"\bab\b",
    r"a\Z",
    r"\Aa",
    "a(?!b)",
    "(?<!a)b",
    "(?i)A",
    "[^b]*$",
    r"\s",
    r"[^b]*+$",
    "a(?s:.)b",
    r"\W",
    "ü",
    "[äü]",
    "(a)|(ü)",
]
LINES = st.lists(st.text("ab ü\r\x1b[m", max_size=6), max_size=8)


def compiles(expression: str) -> bool:
    try:
        re.compile(expression)
    except re.error:
        return False
    return True


def found(pattern: Pattern, data: bytes) -> list[bytes]:
    return [piece.data for piece in pattern.select([Piece(0, len(data), data)], lambda at, size: data[at : at + size])]


@given(LINES, st.sampled_from([one for one in EXPRESSIONS if compiles(one)]), st.booleans(), st.booleans())
@example(["a", ""], "^$", False, False)
@example(["ü", "b"], "b", True, False)
def test_a_block_gives_the_lines_that_match_one_by_one(
    lines: list[str], expression: str, ignore_case: bool, invert: bool
) -> None:
    data = "\n".join(lines).encode()
    pattern = Pattern(expression, ignore_case, invert)
    oracle = re.compile(expression, re.IGNORECASE if ignore_case else 0)
    expected = [
        line
        for line in re.findall(rb"[^\n]*\n|[^\n]+", data)
        if bool(oracle.search(shown(line.rstrip(b"\n")).decode())) is not invert
    ]
    joined = b"".join(found(pattern, data))
    assert joined == b"".join(expected)
    if not invert:
        assert found(pattern, data) == expected


@pytest.mark.parametrize("expression", ["error", "error|fatal"])
def test_colours_and_redraws_do_not_hide_a_match(expression: str) -> None:
    data = b"fine\n\x1b[31mer\x1b[1mror\x1b[0m: x\n10%\rerror now\nerror 10%\rgone\n"
    assert found(Pattern(expression), data) == [b"\x1b[31mer\x1b[1mror\x1b[0m: x\n", b"10%\rerror now\n"]


def test_pieces_keep_their_place_in_the_file() -> None:
    data = "ä1\nb2\nä3\n".encode()
    selected = list(Pattern("3").select([Piece(100, 100 + len(data), data)], lambda at, size: b""))
    assert selected == [Piece(107, 111, "ä3\n".encode())]


def test_a_match_far_into_a_line_that_is_too_long_to_hold_is_found() -> None:
    data = b"x" * (3 * LINE_BYTES_MAX - 3) + b"needle" + b"y" * LINE_BYTES_MAX + b"\nshort\n"

    def read(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    for expression, expected in (("needle", [len(data) - 6]), ("short", [len(data)]), ("absent", [])):
        ends = [piece.end for piece in Pattern(expression).select(pieces(read, 0, len(data), 1 << 16), read)]
        assert ends == expected


def test_what_is_no_regular_expression_is_said_so() -> None:
    with pytest.raises(re.error):
        Pattern("(")
