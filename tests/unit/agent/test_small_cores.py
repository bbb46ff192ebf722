"""Clock, backoff, lifetime, matching: small decisions with no world around them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ranklog_agent.core.backoff import MOST_S, Backoff
from ranklog_agent.core.clock import Clock
from ranklog_agent.core.facts import Identity, StreamName
from ranklog_agent.core.lifetime import SETTLE_S, Lifetime
from ranklog_agent.core.matching import Candidate, Remembered, suspects


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**6))
def test_the_true_clock_offset_is_within_the_error(offset: int, way_there: int, way_back: int, work: int) -> None:
    clock = Clock()
    sent = 10**18
    received = sent + way_there + offset
    answered = received + work
    clock.sample(sent, received, answered, answered - offset + way_back)
    best = clock.best
    assert best is not None
    assert abs(best.offset_ns - offset) <= best.error_ns + 1


def test_the_sample_with_the_shortest_round_trip_counts() -> None:
    clock = Clock()
    clock.sample(0, 5_000, 5_000, 20_000)
    clock.sample(0, 1_000, 1_000, 2_000)
    assert clock.best is not None
    assert clock.best.offset_ns == 0


def test_a_clock_that_jumped_back_during_the_exchange_tells_nothing() -> None:
    clock = Clock()
    clock.sample(10_000, 0, 0, 5_000)
    assert clock.best is None


def test_waits_grow_to_a_limit_and_start_anew() -> None:
    backoff = Backoff()
    waits = [backoff.wait_s(0.999) for _ in range(20)]
    assert waits == sorted(waits)
    assert waits[-1] <= MOST_S
    backoff.reset()
    assert backoff.wait_s(0.999) == waits[0]


def test_a_job_that_has_not_begun_is_not_over() -> None:
    assert not Lifetime().is_over(1000.0)


def test_a_job_is_over_when_its_processes_and_launchers_are_gone_for_a_moment() -> None:
    life = Lifetime()
    life.started("a", 1, 99)
    assert not life.is_over(0)
    life.ended("a")
    assert not life.is_over(1)
    life.launcher_ended(99)
    assert not life.is_over(2)
    assert not life.is_over(2 + SETTLE_S / 2)
    assert life.is_over(2 + SETTLE_S)


def test_a_restarted_rank_keeps_the_job_alive() -> None:
    life = Lifetime()
    life.started("a", 1, None)
    life.ended("a")
    assert not life.is_over(0)
    life.started("b", 2, None)
    life.ended("b")
    assert not life.is_over(10)


def _remembered(path: str, identity: Identity, offset: int = 10, closed: bool = False) -> Remembered:
    return Remembered(StreamName("log", "", path), path, path, identity, offset, 0, 10, 0, closed)


def _candidate(path: str, identity: Identity, size: int = 100) -> Candidate:
    return Candidate(StreamName("log", "", path), path, identity, size)


def test_a_renamed_file_is_known_by_its_inode() -> None:
    old = _remembered("/a", Identity(1, 7, 5))
    assert list(suspects(_candidate("/a.1", Identity(1, 7, 5)), [old])) == [old]


def test_an_inode_that_was_used_again_is_another_file() -> None:
    old = _remembered("/a", Identity(1, 7, 5))
    assert list(suspects(_candidate("/a", Identity(1, 7, 6)), [old])) == []


def test_a_file_replaced_on_the_same_device_is_another_file_even_under_its_name() -> None:
    old = _remembered("/a", Identity(1, 7))
    assert list(suspects(_candidate("/a", Identity(1, 8)), [old])) == []


def test_a_file_on_a_mount_that_came_back_with_another_number_is_a_suspect() -> None:
    old = _remembered("/a", Identity(1, 7))
    assert list(suspects(_candidate("/a", Identity(2, 7)), [old])) == [old]


def test_a_file_shorter_than_what_is_held_is_not_the_same() -> None:
    old = _remembered("/a", Identity(1, 7), offset=200)
    assert list(suspects(_candidate("/a", Identity(1, 7), size=100), [old])) == []
