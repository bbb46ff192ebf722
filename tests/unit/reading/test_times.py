"""Times and durations as people write and read them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.core.process_files import iso
from ranklog_collector.reading.select import parse_ranks
from ranklog_collector.reading.times import (
    bytes_text,
    clock_time,
    duration_text,
    parse_duration,
    parse_iso,
    parse_moment,
)

S = 10**9


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two hours ahead of UTC."""
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90 * S),
        ("1.5s", 3 * S // 2),
        ("10m", 600 * S),
        ("1h30m", 5400 * S),
        ("2d", 172800 * S),
        ("5ms", 5 * 10**6),
    ],
)
def test_durations_are_read(text: str, expected: int) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+90s", 100 * S + 90 * S),
        ("10s", 1000 * S - 10 * S),
        ("1970-01-01T00:00:07Z", 7 * S),
        ("1970-01-01T02:00:07", 7 * S),
        ("1970-01-01 02:00:07", 7 * S),
        ("1970-01-01T00:00:07.000000001Z", 7 * S + 1),
        ("1970-01-01T01:00:07.5+01:00", 7 * S + S // 2),
        ("1970-01-02", 22 * 3600 * S),
    ],
)
def test_moments_are_read(text: str, expected: int) -> None:
    assert parse_moment(text, 100 * S, 1000 * S) == expected


@pytest.mark.parametrize("text", ["", "+", "soon", "10x", "+-5s", "2026-13-01", "-5m", "10m ago", "9" * 400 + "d"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_moment(text, 0, 0)


@given(st.integers(0, 4 * 10**18))
def test_what_is_written_as_iso_is_read_as_it_was(moment: int) -> None:
    assert parse_iso(iso(moment)) == moment


def test_times_are_written_local_or_as_utc_and_never_fail() -> None:
    assert clock_time(7 * S + 5 * 10**6) == "1970-01-01 02:00:07.005"
    assert clock_time(7 * S, utc=True) == "1970-01-01 00:00:07.000"
    assert clock_time(-(10**30))
    assert clock_time(10**30)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (-5, "0.0s"),
        (S, "1.0s"),
        (9.96 * S, "10s"),
        (59.6 * S, "1m00s"),
        (200 * S, "3m20s"),
        (3600 * S, "1h00m"),
        (26 * 3600 * S, "1d02h"),
    ],
)
def test_durations_are_short(duration: int, expected: str) -> None:
    assert duration_text(duration) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9951, "10 kB"),
        (999_600, "1.0 MB"),
        (5 * 10**9, "5.0 GB"),
    ],
)
def test_sizes_are_short(count: int, expected: str) -> None:
    assert bytes_text(count) == expected


def test_ranks_are_read() -> None:
    assert parse_ranks("0,3-5") == (range(1), range(3, 6))
    for text in ("", "a", "3-", "-3", "1,,2", "1 2", "3-1"):
        with pytest.raises(ValueError, match="is no list of ranks"):
            parse_ranks(text)
