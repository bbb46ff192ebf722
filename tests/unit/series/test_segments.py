"""Which segments are used, joined, trusted; thinning."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.series.blocks import blocks
from ranklog_collector.series.segments import SEGMENT_BYTES_MAX, Segment, chain, joined, parse_name
from ranklog_collector.series.thin import kept

segments = st.builds(lambda begin, size: Segment(begin, begin + size), st.integers(0, 30), st.integers(1, 30))


@given(st.lists(segments), st.integers(0, 60))
def test_a_chain_begins_at_nought_has_no_holes_and_ends_within_the_file(found: list[Segment], size: int) -> None:
    chosen = chain(found, size)
    at = 0
    for segment in chosen:
        assert segment in found
        assert segment.begin == at
        at = segment.end
    assert at <= size
    assert not any(segment.begin == at and segment.end <= size for segment in found)


def test_a_longer_segment_stands_for_those_it_has_replaced() -> None:
    assert chain([Segment(0, 10), Segment(10, 20), Segment(0, 20), Segment(15, 30)], 30) == [Segment(0, 20)]


@given(st.lists(st.integers(1, 20), max_size=100))
def test_segments_stay_few_and_are_seldom_written_anew(sizes: list[int]) -> None:
    present: list[Segment] = []
    written = at = 0
    for size in sizes:
        kept_ones = present[: joined(present, size)]
        begin = kept_ones[-1].end if kept_ones else 0
        at += size
        present = [*kept_ones, Segment(begin, at)]
        written += at - begin
    assert len(present) <= 10
    assert written <= at * 10


def test_segments_are_joined_up_to_a_size() -> None:
    assert joined([Segment(0, SEGMENT_BYTES_MAX)], SEGMENT_BYTES_MAX) == 1


def test_only_names_that_we_give_are_segments() -> None:
    assert parse_name("0-10.parquet") == Segment(0, 10)
    for name in ("", "0-0.parquet", "5-3.parquet", "00-10.parquet", ".0-10.parquet", "0-10.parquet~", "a-b.parquet"):
        assert parse_name(name) is None


@given(
    st.lists(st.binary(max_size=5).map(lambda data: data.replace(b"\n", b"") + b"\n"), max_size=20),
    st.binary(max_size=3),
)
def test_blocks_are_all_whole_lines_in_order(lines: list[bytes], rest: bytes) -> None:
    data = b"".join(lines) + rest.replace(b"\n", b"")
    found = list(blocks(lambda at, size: data[at : at + min(size, 7)], 0, len(data)))
    assert b"".join(block.data for block in found) == b"".join(lines)[: found[-1].end if found else 0]


def test_a_line_that_is_too_long_comes_without_its_bytes() -> None:
    long = b"a" * (40 << 20) + b"\n"
    data = b"x\n" + long + b"y\n"
    found = list(blocks(lambda at, size: data[at : at + size], 0, len(data)))
    assert [(block.begin, block.end, len(block.data)) for block in found] == [
        (0, 2, 2),
        (2, 2 + len(long), 0),
        (2 + len(long), len(data), 2),
    ]
    assert list(blocks(lambda at, size: long[at : at + size], 0, len(long) - 1)) == []


values = st.floats(-10, 10) | st.sampled_from([np.nan, np.inf, -np.inf])


@given(st.lists(st.tuples(st.integers(0, 50), values, values), min_size=1, max_size=300), st.integers(0, 40))
def test_thinning_keeps_ends_extremes_and_odd_values(rows: list[tuple[int, float, float]], points: int) -> None:
    rows.sort(key=lambda row: row[0])
    x = np.array([row[0] for row in rows])
    low = np.array([row[1] for row in rows])
    high = np.array([row[2] for row in rows])
    chosen = kept(x, low, high, points)
    assert chosen[0] == 0
    assert chosen[-1] == len(rows) - 1
    assert (np.diff(chosen) > 0).all()
    assert len(chosen) <= max(points, 4) * 2 + 2
    for column, extreme in ((low, np.min), (high, np.max)):
        finite = column[np.isfinite(column)]
        if len(finite):
            assert extreme(finite) in column[chosen]
        assert np.isfinite(column).all() or not np.isfinite(column[chosen]).all()
