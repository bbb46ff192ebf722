"""Text that comes from a job is harmless and legible."""

from __future__ import annotations

import unicodedata

import pytest

from ranklog.notebook import clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢 \t tab\n", "plain é 漢 \t tab"),
        ("\x1b[1;31mred\x1b[0m and \x1b]0;title\x07more", "red and more"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        (" 10%\r 55%\r100%\n", "100%"),
        ("a\x00b\x07c\x7f", "a␀b␇c␡"),
        ("left\u202etfel \u2066x", "left\ufffdtfel \ufffdx"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("x" * 200, "x" * 99 + "…"),
    ],
)
def test_a_line_is_what_a_terminal_would_leave_of_it(text: str, shown: str) -> None:
    assert clean.line(text, 100) == shown


def test_whatever_comes_is_one_line_that_can_be_sent() -> None:
    for character in map(chr, range(0x3000)):
        for text in (clean.line(f"a{character}b", 100), clean.name(f"a{character}b")):
            assert text.encode()
            assert [
                each for each in text if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") and each != "\t"
            ] == []


@pytest.mark.parametrize("piece", ["\x1b]", "\x1b[", "\x1b[1;", "\x9b0", "\x1b]x\x1b"])
def test_a_long_line_of_broken_sequences_has_an_end(piece: str) -> None:
    assert len(clean.line(piece * 1_000_000, 2000)) <= 2000
