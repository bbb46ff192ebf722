"""For every schedule of writer, agent, wire and collector: collected = written, or a recorded gap."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_agent.core import incarnation
from ranklog_agent.core.incarnation import Incarnation
from ranklog_agent.core.track import Track
from ranklog_agent.core.tracking import Tracking
from ranklog_collector.core.assembly import Assembly, Refusal, Segment, Write
from tests.simulation.__main__ import schedule
from tests.simulation.model import ModelCollector
from tests.simulation.schedule import STEPS, Step, Violation, World

steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 63)), max_size=60)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_nothing_is_lost_in_silence_doubled_or_reordered(schedule_: list[Step]) -> None:
    """Hypothesis looks for a schedule that breaks the promise, and shrinks it."""
    World().run(schedule_)


def test_twenty_thousand_random_schedules_hold() -> None:
    """The same promise over a fixed, larger sample."""
    for seed in range(20_000):
        World().run(schedule(seed))


def _fails_within(schedules: int) -> bool:
    for seed in range(schedules):
        try:
            World().run(schedule(seed))
        except Violation:
            return True
    return False


Break = Callable[[pytest.MonkeyPatch], None]


def ack_before_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModelCollector, "durable", lambda _, segment: segment.received)
    patch.setattr(Segment, "is_done", property(lambda self: self.closed is not None))


def no_trim_of_replays(patch: pytest.MonkeyPatch) -> None:
    def append(
        self: Assembly, segment: Segment, offset: int, data: memoryview, crc: int, seen: list[tuple[int, int]]
    ) -> Write | Refusal:
        if offset > segment.received:
            return Refusal.AHEAD
        write = Write(self.size, data, self._extent_for(segment))
        segment.received, segment.crc = max(segment.received, offset + len(data)), crc
        self.size += len(data)
        return write

    patch.setattr(Assembly, "append", append)


def no_comparison_of_tails(patch: pytest.MonkeyPatch) -> None:
    took = Incarnation.took

    def forgetful(self: Incarnation, data: bytes, now_ns: int) -> list[tuple[int, int]]:
        seen = took(self, data, now_ns)
        self.tail = b""
        return seen

    patch.setattr(Incarnation, "took", forgetful)


def no_search_for_renamed_files(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tracking, "_search", lambda *_: None)


def no_gaps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Incarnation, "note_loss", lambda *_: None)


def present_file_before_earlier_ones(patch: pytest.MonkeyPatch) -> None:
    replan = Track.replan

    def backwards(self: Track) -> None:
        self.incarnations.reverse()
        replan(self)
        self.incarnations.reverse()

    patch.setattr(Track, "replan", backwards)


def no_rounds(patch: pytest.MonkeyPatch) -> None:
    def anything_goes(self: ModelCollector, connection: object, name: object) -> None:
        for handle, held in connection.handles.items():  # type: ignore[attr-defined]
            if held.stream == name and handle not in connection.paused:  # type: ignore[attr-defined]
                self._resume(connection, handle)  # type: ignore[arg-type]

    patch.setattr(ModelCollector, "_next_round", anything_goes)


@pytest.mark.parametrize(
    "break_it",
    [
        ack_before_sync,
        no_trim_of_replays,
        no_comparison_of_tails,
        no_search_for_renamed_files,
        no_gaps,
        present_file_before_earlier_ones,
    ],
)
def test_a_broken_core_is_found_out(break_it: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation is worth its time only if it notices what it is there for."""
    break_it(monkeypatch)
    assert _fails_within(60_000)


def test_without_rounds_a_full_disk_reorders_a_rotated_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule once found by chance: the old file's bytes are dropped, the new one's, under way already, are not."""
    found: list[Step] = [
        ("write", 17), ("connect", 16), ("write", 0), ("rename", 35), ("write", 39), ("send", 32), ("look", 31),
        ("look", 26), ("receive", 43), ("send", 29), ("receive", 7), ("fill", 49), ("answer", 33), ("receive", 8),
        ("send", 47), ("receive", 16), ("answer", 42), ("sync", 33),
    ]  # fmt: skip
    World().run(found)
    no_rounds(monkeypatch)
    with pytest.raises(Violation):
        World().run(found)


def test_tails_are_long_enough_to_tell_files_apart() -> None:
    assert incarnation.TAIL_BYTES >= 64
