"""Files are read in pieces of whole lines, each with the time at which it was complete."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.reading.lines import (
    LINE_BYTES_MAX,
    LONG_LINE_SHOWN,
    Piece,
    last_lines_start,
    line_start,
    pieces,
    timed,
)
from ranklog_collector.reading.timeline import Moments

TEXTS = st.lists(st.sampled_from([b"", b"a", b"bc", b"\n", b"\n\n", b"long line "]), max_size=40).map(b"".join)


class Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.largest = 0

    def __call__(self, offset: int, size: int) -> bytes:
        self.largest = max(self.largest, size)
        return self.data[offset : offset + size]


@given(TEXTS, st.integers(1, 30))
def test_pieces_are_whole_lines_and_join_up_to_the_file(data: bytes, size: int) -> None:
    found = list(pieces(Bytes(data), 0, len(data), size))
    assert b"".join(piece.data for piece in found) == data
    assert all(piece.data.endswith(b"\n") for piece in found[:-1])
    assert [piece.offset for piece in found] == [0, *(piece.end for piece in found)][: len(found)]


@given(TEXTS, st.integers(1, 5), st.data())
def test_the_last_lines_are_found_from_the_end(data: bytes, count: int, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(data)))
    lines = data[start:].split(b"\n")
    if not lines[-1]:
        lines.pop()
    expected = lines[-count:]
    found = data[last_lines_start(Bytes(data), start, len(data), count) :]
    assert found.removesuffix(b"\n").split(b"\n") == (expected or [b""])


@given(TEXTS, st.data())
def test_the_start_of_a_line_is_found_from_within(data: bytes, draw: st.DataObject) -> None:
    position = draw.draw(st.integers(0, len(data)))
    assert line_start(Bytes(data), position) == data.rfind(b"\n", 0, position) + 1


def test_a_line_has_the_time_at_which_its_last_byte_was_seen() -> None:
    data = b"one\ntwo\nthree\nfour"
    moments = Moments(array("q", [2, 8, 14]), [10, 20, 30])
    blocks = list(timed(1, pieces(Bytes(data), 0, len(data), 1000), moments))
    found = [(block.time, block.piece.data) for block in blocks]
    assert found == [(20, b"one\ntwo\n"), (30, b"three\n"), (30, b"four")]


@given(TEXTS, st.lists(st.integers(1, 60), unique=True).map(sorted), st.integers(1, 50))
def test_splitting_by_time_loses_nothing_and_gives_each_line_its_time(
    data: bytes, positions: list[int], size: int
) -> None:
    moments = Moments(array("q", positions), [index // 2 for index in range(len(positions))])
    blocks = list(timed(1, pieces(Bytes(data), 0, len(data), size), moments))
    assert b"".join(block.piece.data for block in blocks) == data
    for block in blocks:
        end = block.piece.offset
        for line in block.piece.data.splitlines(keepends=True):
            end += len(line)
            assert block.time == moments.of(end)


def test_a_hundred_megabytes_without_a_newline_are_read_in_bounded_memory() -> None:
    read = Bytes(b"first\n" + b"x" * (100 << 20) + b"\nlast\n")
    first, long, last = pieces(read, 0, len(read.data), 1 << 16)
    assert (first.data, last.data) == (b"first\n", b"last\n")
    assert long.is_abridged
    assert long.end - long.offset == (100 << 20) + 1
    assert long.data.startswith(b"x" * LONG_LINE_SHOWN + b" \xe2\x80\xa6 [104857600 bytes in this line")
    assert long.data.endswith(b"\n")
    assert read.largest <= 2 * LINE_BYTES_MAX


def test_of_a_progress_bar_of_many_megabytes_the_last_state_is_shown() -> None:
    read = Bytes(b"".join(b"%8d\r" % number for number in range(400_000)) + b"   done\n")
    (piece,) = pieces(read, 0, len(read.data), 1 << 16)
    assert piece.end == len(read.data)
    assert piece.data.endswith(b"\r   done\n")


def test_a_file_shorter_than_expected_ends_the_reading() -> None:
    assert list(pieces(Bytes(b"ab\nc"), 0, 100, 10)) == [Piece(0, 4, b"ab\nc")]
    assert list(pieces(Bytes(b""), 0, 100, 10)) == []
