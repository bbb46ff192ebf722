"""Many streams in one order: nothing is lost, and no stream's own order is broken."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.core.alike import template
from ranklog_collector.reading.fold import BYTES_HELD_MAX, Fold, Row
from ranklog_collector.reading.lines import Block, Piece
from ranklog_collector.reading.merge import lines, merged

STREAMS = st.lists(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from([b"a", b"b", b"c", b""])), max_size=8), max_size=5
)


class Line(NamedTuple):
    stream: int
    time: int
    offset: int
    text: bytes


def folded(source: list[Line], fold: Fold) -> list[Row]:
    rows = [row for line in source for row in fold.push(line.stream, line.time, [(line.offset, line.text)])]
    return rows + list(fold.flush())


def ordered(streams: list[list[tuple[int, bytes]]]) -> list[list[Line]]:
    """Each stream's lines, with times that do not fall."""
    return [
        [
            Line(number, time, offset, text)
            for offset, (time, text) in enumerate(zip(sorted(t for t, _ in each), (b for _, b in each), strict=True))
        ]
        for number, each in enumerate(streams)
    ]


def merge_lines(streams: list[list[Line]]) -> list[Line]:
    return sorted((line for stream in streams for line in stream), key=lambda line: line.time)


@given(STREAMS)
def test_merging_keeps_each_streams_order_and_loses_nothing(streams: list[list[tuple[int, bytes]]]) -> None:
    blocks = [
        [Block(line.stream, line.time, Piece(line.offset, line.offset + len(line.text), line.text)) for line in stream]
        for stream in ordered(streams)
    ]
    result = list(merged(blocks))
    assert [block.time for block in result] == sorted(block.time for block in result)
    assert [[block for block in result if block.stream == number] for number in range(len(streams))] == blocks


@given(STREAMS, st.integers(0, 20))
def test_unfolding_gives_each_streams_lines_back(streams: list[list[tuple[int, bytes]]], window: int) -> None:
    expected = ordered(streams)
    kinds = dict.fromkeys(range(len(streams)), "rank")
    rows = list(folded(merge_lines(expected), Fold(kinds, window)))
    assert [[row.text for row in rows if number in row.streams] for number in range(len(streams))] == [
        [line.text for line in stream] for stream in expected
    ]
    assert all(len(set(row.streams)) == len(row.streams) for row in rows)


PARTS = [
    b"Traceback (most recent call last):",
    b'  File "a.py", line 1, in f',
    b"ValueError: x",
    b"During handling of the above exception, another exception occurred:",
    b"",
    b"loss 1",
    b"loss 2",
    b"step 1",
    b"step 2 took 1 s",
    b"step 2 took 2 s",
    b"a",
]


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(PARTS)), max_size=12), max_size=4),
    st.integers(0, 20),
    st.booleans(),
    st.integers(0, 20),
)
def test_what_belongs_together_or_is_alike_is_folded_without_losing_or_turning_a_line(
    streams: list[list[tuple[int, bytes]]], window: int, is_similar: bool, late: int
) -> None:
    expected = ordered(streams)
    fold = Fold(dict.fromkeys(range(len(streams)), "rank"), window, is_similar, late)
    rows = folded(merge_lines(expected), fold)
    for number in range(len(streams)):
        told = [line for row in rows if number in row.streams for line in row.text.split(b"\n")]
        said = [line.text for line in expected[number]]
        if is_similar:
            assert [template(line.replace("{1…2}".encode(), b"1")) for line in told] == list(map(template, said))
        else:
            assert told == said
    assert all(len(set(row.streams)) == len(row.streams) for row in rows)


def test_a_traceback_is_one_row_although_others_speak_in_between() -> None:
    lines = [b"Traceback (most recent call last):", b"  File", b"ValueError: x", b"next"]
    said = [(stream, at, text) for at, text in enumerate(lines) for stream in (0, 1)]
    whole = b"\n".join(lines[:3])
    assert fold_texts(*said, (2, 1, b"other")) == [([0, 1], whole), ([2], b"other"), ([0, 1], b"next")]


@pytest.mark.parametrize("late", [0, 30])
def test_tracebacks_that_are_the_last_words_of_several_ranks_are_one_row(late: int) -> None:
    lines = [b"Traceback (most recent call last):", b"  File", b"ValueError: x %d"]
    said = [(rank, at, text % rank if b"%" in text else text) for at, text in enumerate(lines) for rank in range(3)]
    said += [(3, at, b"still here") for at in range(20)]
    source = [Line(stream, time, 0, text) for stream, time, text in sorted(said, key=lambda one: one[1])]
    fold = Fold(dict.fromkeys(range(4), "rank"), 5, is_similar=True, late_ns=late)
    assert [row.streams for row in folded(source, fold) if row.text != b"still here"] == [[0, 1, 2]]


def test_a_traceback_that_takes_too_long_is_shown_as_far_as_it_is() -> None:
    said = [(0, 1, b"Traceback (most recent call last):"), (0, 2, b"  File"), (1, 50, b"a"), (0, 60, b"ValueError: x")]
    assert fold_texts(*said) == [
        ([0], b"Traceback (most recent call last):\n  File"),
        ([1], b"a"),
        ([0], b"ValueError: x"),
    ]


def test_lines_that_are_alike_are_one_row_and_the_odd_one_stands_alone() -> None:
    said = [(rank, 1, b"tick 3 took %d ms" % (10 + rank)) for rank in range(64)]
    said[17] = (17, 1, b"tick 3 failed")
    source = [Line(stream, time, 0, text) for stream, time, text in said]
    rows = folded(source, Fold(dict.fromkeys(range(64), "rank"), 10, is_similar=True))
    assert [(len(row.streams), row.text.decode()) for row in rows] == [
        (63, "tick 3 took {10…73} ms"),
        (1, "tick 3 failed"),
    ]


def fold_texts(*said: tuple[int, int, bytes], window: int = 10) -> list[tuple[list[int], bytes]]:
    source = sorted((Line(stream, time, 0, text) for stream, time, text in said), key=lambda line: line.time)
    fold = Fold(dict.fromkeys({line.stream for line in source}, "rank"), window)
    return [(row.streams, row.text) for row in folded(source, fold)]


def test_what_all_say_is_one_row_and_what_one_says_stands_out() -> None:
    assert fold_texts((0, 1, b"a"), (1, 1, b"a"), (2, 1, b"X"), (3, 2, b"a")) == [([0, 1, 3], b"a"), ([2], b"X")]


def test_lines_too_far_apart_are_not_folded() -> None:
    assert fold_texts((0, 1, b"a"), (1, 20, b"a")) == [([0], b"a"), ([1], b"a")]


def test_a_rank_that_says_the_same_twice_has_two_rows() -> None:
    assert fold_texts((0, 1, b"a"), (0, 1, b"a"), (1, 1, b"a"), (1, 1, b"a")) == [([0, 1], b"a"), ([0, 1], b"a")]


def test_folding_does_not_turn_a_ranks_lines_around() -> None:
    assert fold_texts((0, 1, b"a"), (0, 1, b"b"), (1, 1, b"b"), (1, 1, b"a")) == [
        ([0], b"a"),
        ([0, 1], b"b"),
        ([1], b"a"),
    ]


def stepping(rank: int, *lines: bytes, late: int) -> list[tuple[int, int, bytes]]:
    """A rank that is behind by `late`, with a line at each moment."""
    return [(rank, late + at, line) for at, line in enumerate(lines)]


def late_rows(*said: tuple[int, int, bytes], late: int = 30, is_similar: bool = True) -> list[tuple[list[int], bytes]]:
    source = sorted((Line(stream, time, 0, text) for stream, time, text in said), key=lambda line: line.time)
    fold = Fold(dict.fromkeys({line.stream for line in source}, "rank"), 1, is_similar, late)
    return [(row.streams, row.text) for row in folded(source, fold)]


@pytest.mark.parametrize("is_similar", [True, False])
def test_ranks_that_are_late_join_the_others_at_their_steps_and_with_what_they_say_in_between(is_similar: bool) -> None:
    lines = [b"step 1", b"step 2", b"saved", b"step 3", b"done"]
    said = [one for rank in range(4) for one in stepping(rank, *lines, late=9 * rank)]
    assert late_rows(*said, is_similar=is_similar) == [([0, 1, 2, 3], line) for line in lines]
    assert len(late_rows(*said, late=10, is_similar=is_similar)) > len(lines)


def test_what_a_late_rank_says_alone_stands_where_the_others_were_then() -> None:
    steps = [b"step %d" % number for number in range(8)]
    odd = [*steps[:4], b"not a number", b"step 4 again", *steps[5:]]
    rows = late_rows(*stepping(0, *steps, late=0), *stepping(1, *steps, late=1), *stepping(2, *odd, late=9))
    assert rows == [
        *(([0, 1, 2], step) for step in steps[:4]),
        ([0, 1], steps[4]),
        ([2], b"not a number"),
        ([2], b"step 4 again"),
        *(([0, 1, 2], step) for step in steps[5:]),
    ]


def test_lines_that_tell_no_step_are_not_folded_over_a_long_time_although_steps_are() -> None:
    assert late_rows((0, 1, b"slow"), (1, 9, b"slow"), (0, 10, b"step 1"), (1, 19, b"step 1")) == [
        ([0], b"slow"),
        ([1], b"slow"),
        ([0, 1], b"step 1"),
    ]


def test_no_more_is_held_for_late_ranks_than_memory_allows() -> None:
    fold = Fold({0: "rank", 1: "rank"}, 1, late_ns=1000)
    given = [
        row for at in range(20) for row in fold.push(0, at, [(0, b"step %d" % at + b"x" * (BYTES_HELD_MAX // 10))])
    ]
    assert len(given) > 5


def test_a_row_that_all_have_joined_is_not_held_back() -> None:
    fold = Fold({0: "rank", 1: "rank"}, window_ns=1000)
    assert list(fold.push(0, 1, [(0, b"a")])) == []
    assert list(fold.push(1, 1, [(0, b"a")])) == []
    assert list(fold.expire(1)) == [Row(b"a", 1, 0, [0, 1], "rank", 1)]


def test_streams_of_different_kinds_are_not_folded() -> None:
    fold = Fold({0: "out", 1: "err"}, 10)
    rows = list(folded([Line(stream, 1, 0, b"a") for stream in (0, 1, 2, 3)], fold))
    assert [row.streams for row in rows] == [[0], [1], [2], [3]]


def test_a_block_becomes_lines_with_their_offsets() -> None:
    data = b"ab\nc\xff\n1\r22\nrest"
    assert lines(Block(7, 5, Piece(100, 100 + len(data), data))) == [
        (100, b"ab"),
        (103, "c\ufffd".encode()),
        (106, b"22"),
        (111, b"rest"),
    ]
    assert lines(Block(7, 5, Piece(0, 1, b"\n"))) == [(0, b"")]
