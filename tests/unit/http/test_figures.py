"""The collector's figures reach the other process whole or not at all."""

from __future__ import annotations

import os

from ranklog_collector.core.figures import SYNC_BOUNDS_S, Counters, Durations, Figures
from ranklog_collector.http.figures import publish, read


def test_what_is_published_is_read_also_when_it_gets_shorter() -> None:
    file = os.memfd_create("figures")
    try:
        assert read(file) is None
        for bytes_ in (10**15, 1):
            counters = Counters(received_bytes=bytes_)
            counters.syncs.add(0.003)
            figures = Figures(1.5, agents=1, runs=2, runs_paused=0, streams=3, counters=counters)
            publish(file, figures)
            assert read(file) == figures
        os.pwrite(file, b"x", 20)
        assert read(file) is None
    finally:
        os.close(file)


def test_durations_are_counted_by_the_bound_that_they_do_not_exceed() -> None:
    durations = Durations()
    for seconds in (0.0, 0.001, 0.0011, 99.0):
        durations.add(seconds)
    assert durations.counts == [2, 1, *([0] * (len(SYNC_BOUNDS_S) - 2)), 1]
    assert durations.sum_s == 99.0021
