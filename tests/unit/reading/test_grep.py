"""A pattern finds exactly the lines that it would find one by one, however they lie in their block."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
import re2
from hypothesis import example, given
from hypothesis import strategies as st

from ranklog_collector.reading.grep import Pattern, PatternError
from ranklog_collector.reading.lines import LINE_BYTES_MAX, Piece, pieces
from ranklog_collector.reading.needles import needles
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


def one_by_one(expression: str, ignore_case: bool) -> Callable[[str], bool]:
    """Whether a line matches, as RE2 says, or Python where RE2 does not know the expression."""
    options = re2.Options()
    options.log_errors, options.case_sensitive = False, not ignore_case
    try:
        known = re2.compile(expression, options)
    except re2.error:
        known = re.compile(expression, re.IGNORECASE if ignore_case else 0)
    return lambda line: bool(known.search(line))


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
    matches = one_by_one(expression, ignore_case)
    expected = [
        line
        for line in re.findall(rb"[^\n]*\n|[^\n]+", data)
        if matches(shown(line.rstrip(b"\n")).decode()) is not invert
    ]
    joined = b"".join(found(pattern, data))
    assert joined == b"".join(expected)
    passages = pattern.passages(Piece(0, len(data), data), lambda at, size: data[at : at + size])
    assert b"".join(one.data for one in passages) == joined
    assert all(one.end < other.offset for one, other in pairwise(passages))
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
        pattern = Pattern(expression)
        found = list(pattern.select(pieces(read, 0, len(data), 1 << 16), read))
        assert [hit.end for hit in found] == expected


def test_what_is_no_regular_expression_is_said_so() -> None:
    with pytest.raises(PatternError):
        Pattern("(")


@pytest.mark.parametrize("expression", [r"(a+)+\1", "(?<!x)error"])
def test_where_time_must_be_bounded_what_only_python_knows_is_refused(expression: str) -> None:
    Pattern(expression)
    with pytest.raises(PatternError):
        Pattern(expression, is_bounded=True)


@pytest.mark.parametrize("expression", ["x", "([a-z]+)+!", "a.*b.*c.*d.*e$", "(x|xx|xxx)*y"])
def test_a_hostile_expression_takes_no_longer_than_another(expression: str) -> None:
    line = b"x" * 20_000 + b"\n"
    assert Pattern(expression, is_bounded=True).matches(line) is (expression == "x")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("error", ["error"]),
        ("error|fatal", ["error", "fatal"]),
        (r"loss \d+\.\d+", ["loss "]),
        (r"rank (3|4) died", ["rank "]),
        (r"colou?r s", ["colo"]),
        (r"ab{2,3}cd*efg", ["efg"]),
        (r"[xy]ab[|)(\]]cde", ["cde"]),
        (r"a\.b\-c", ["a.b-c"]),
        ("ab+c", ["ab"]),
        ("error|x*", []),
        ("(?i)error", []),
        (r"\x41bc", []),
        ("a", []),
        ("", []),
    ],
)
def test_what_a_matching_line_must_contain_is_known_beforehand(expression: str, expected: list[str]) -> None:
    assert needles(expression) == expected


PARTS = st.recursive(
    st.sampled_from(["a", "b", "ab", ".", "^", "$", r"\d", r"\.", "[ab]", "[^|(]", r"\b", "ü"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        inner.map("({})".format),
        inner.map("(?:{})*".format),
        inner.map("(?:{})+".format),
        inner.map("(?:{})?".format),
        inner.map("(?:{}){{0,2}}".format),
    ),
    max_leaves=6,
)


@given(PARTS, st.lists(st.text("ab1.ü", max_size=5), max_size=6), st.booleans())
def test_looking_for_parts_first_misses_nothing(expression: str, lines: list[str], ignore_case: bool) -> None:
    data = "".join(line + "\n" for line in lines).encode()
    matches = one_by_one(expression, ignore_case)
    assert b"".join(found(Pattern(expression, ignore_case), data)) == b"".join(
        f"{line}\n".encode() for line in lines if matches(line)
    )
