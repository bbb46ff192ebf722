"""What a job prints can be shown: redraws collapse, colours stay only where wanted, nothing else reaches a terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.reading.text import printable, shown


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain\ttext\n", b"plain\ttext\n"),
        (b"10%\r50%\r100%\n", b"100%\n"),
        (b"10%\r50%\r\n", b"50%\n"),
        (b"windows\r\nlines\r\n", b"windows\nlines\n"),
        (b"bar 99%\r       \r\n", b"bar 99%\n"),
        (b"bar\r\x1b[K\n", b"bar\n"),
        (b"\r\r\r\n", b"\n"),
        (b"\x1b[31mred\x1b[0m plain\n", b"red plain\n"),
        (b"\x1b]0;owned\x07title\n", b"title\n"),
        (b"\x1b]52;c;aGk=\x1b\\clipboard\n", b"clipboard\n"),
        (b"\x1b[2J\x1b[Hcleared\n", b"cleared\n"),
        (b"half\x1b[", b"half"),
        (b"end\x1b", b"end"),
        (b"nul\0bell\x07\n", "nul␀bell␇\n".encode()),
        (b"back\b\bspace\n", b"backspace\n"),
        (b"latin \xe9t\xe9\n", "latin \ufffdt\ufffd\n".encode()),
        ("C1 \x9b31m csi\n".encode(), "C1 \ufffd31m csi\n".encode()),
        ("für 数据\n".encode(), "für 数据\n".encode()),
        (b"", b""),
    ],
)
def test_text_is_made_fit_to_be_shown(raw: bytes, expected: bytes) -> None:
    assert shown(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\x1b[31mred\x1b[0m\n", b"\x1b[31mred\x1b[0m\n"),
        (b"\x1b[31mopen\nnext\n", b"\x1b[31mopen\x1b[0m\nnext\n"),
        (b"\x1b[1;32mok\x1b[m\n", b"\x1b[1;32mok\x1b[m\n"),
        (b"\x1b[31mred\x1b[2J\x1b]0;x\x07\n", b"\x1b[31mred\x1b[0m\n"),
        (b"\x1b[31mred\0\n", "red␀\n".encode()),
    ],
)
def test_colours_stay_if_wanted_and_end_with_their_line(raw: bytes, expected: bytes) -> None:
    assert shown(raw, colour=True) == expected


@given(st.binary(), st.booleans())
def test_any_bytes_give_as_many_lines_and_nothing_that_a_terminal_obeys(raw: bytes, colour: bool) -> None:
    text = shown(raw, colour).decode()
    assert text.count("\n") == raw.count(b"\n")
    text = re.sub(r"\x1b\[[0-9;:]*m", "", text) if colour else text
    assert all(char in "\t\n" or not (ord(char) < 32 or 127 <= ord(char) < 160) for char in text)


@given(st.lists(st.binary(), max_size=5))
def test_of_redraws_the_last_visible_state_stays(states: list[bytes]) -> None:
    line = b"\r".join(state.replace(b"\n", b"").replace(b"\r", b"") for state in states) + b"\rlast\r"
    assert shown(line) == b"last"


def test_what_is_fit_already_is_not_copied() -> None:
    for data in (b"plain\n", "für 数据\n".encode()):
        assert shown(data) is data


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("node-1", "node-1"),
        ("日本", "日本"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\u202e", "a\\nb\\u202e"),
    ],
)
def test_names_are_escaped(name: str, expected: str) -> None:
    assert printable(name) == expected
