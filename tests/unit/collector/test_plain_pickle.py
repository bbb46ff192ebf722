"""Pickles of plain values are read; of others nothing is ever called."""

from __future__ import annotations

import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.core.plain_pickle import NotPlainError, loads

KEYS = st.text() | st.integers(-(2**63), 2**63)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**100), 2**100) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.lists(inner).map(tuple),
    max_leaves=30,
)


@given(PLAIN, st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_as_python_reads_them(value: Any, protocol: int) -> None:
    assert loads(pickle.dumps(value, protocol)) == value


@given(st.binary(), st.integers(3, pickle.HIGHEST_PROTOCOL))  # before, bytes were a call
def test_bytes_are_read(value: bytes, protocol: int) -> None:
    assert loads(pickle.dumps(value, protocol)) == value


def test_what_is_there_twice_is_the_same_twice() -> None:
    one = ["a"]
    first, second = loads(pickle.dumps([one, one]))
    assert first is second


class Calling:
    """Removes a file when Python's own reader reads it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.unlink, (str(self._path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_called(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "file"
    file.touch()
    for value in (Calling(file), [{"entries": Calling(file)}]):
        with pytest.raises(NotPlainError):
            loads(pickle.dumps(value, protocol))
    assert file.exists()


@pytest.mark.parametrize("value", [OrderedDict(a=1), {1, 2}, 1j, len, Path("/x"), bytearray(b"x"), ValueError("x")])
def test_other_than_plain_values_are_refused(value: object) -> None:
    with pytest.raises(NotPlainError):
        loads(pickle.dumps(value))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80",
        b"\x80\xff.",
        b"garbage",
        b"N",
        b"a.",
        b"(a.",
        b"]a.",
        b"e.",
        b"u.",
        b"}(K\x01u.",
        b"Na.",
        b"](.",
        b"K\x01q\x00K\x01s.",
        b"h\x00.",
        b"j\xff\xff\xff\xff.",
        b"X\xff\xff\xff\xffabc.",
        b"\x8d" + struct.pack("<Q", 1 << 62) + b"abc.",
        b"\x8e" + struct.pack("<Q", (1 << 64) - 1) + b"abc.",
        b"T" + struct.pack("<i", -5) + b"abc.",
        b"\x8b" + struct.pack("<i", 1 << 30) + b"\x01" * 100,
        b"\x95" + struct.pack("<Q", 1 << 62),
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x82\x01.",
        b"Pid\n.",
        b"K\x01Q.",
        b"}(]K\x01u.",
        b"X\x01\x00\x00\x00\xff.",
    ],
)
def test_what_is_damaged_or_hostile_is_refused(data: bytes) -> None:
    with pytest.raises(NotPlainError):
        loads(data)


def test_a_large_number_to_remember_by_takes_no_room() -> None:
    assert loads(b"\x80\x02K\x01r\xff\xff\xff\xff.") == 1


def test_what_is_nested_deeply_is_read_but_is_no_key() -> None:
    assert loads(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".") is not None
    with pytest.raises(NotPlainError):
        loads(b"\x80\x02})" + b"\x85" * 100_000 + b"K\x01s.")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        loads(b"\x80\x02" + data)
    except NotPlainError:
        return
