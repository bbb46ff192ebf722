"""Nodes come, fall silent, come back and leave; and a run ends when it has."""

from __future__ import annotations

from typing import Any

import pytest

from ranklog_collector.core import journal
from ranklog_collector.core.presence import GONE_NS, NOT_STARTED, Node, Presence

S = 1_000_000_000


class World:
    """A presence, the time, and what came of it."""

    def __init__(self) -> None:
        self.presence = Presence()
        self.now = 1_000 * S
        self.entries: list[journal.Entry] = []

    def record(self, entries: list[journal.Entry]) -> list[str]:
        for entry in entries:
            self.presence.apply(entry)
        self.entries += entries
        return [_short(entry) for entry in entries]

    def hello(self, node: str, epoch: int = 1) -> list[str]:
        return self.record(self.presence.hello(Node(node, "10.0.0.1", node, epoch), self.now))

    def heard(self, node: str) -> list[str]:
        return self.record(self.presence.heard(node, self.now))

    def goodbye(self, node: str) -> list[str]:
        return self.record(self.presence.goodbye(node, "ended", 0, self.now))

    def process(self, node: str, key: str, event: str, **record: Any) -> list[str]:
        return self.record(self.presence.process(node, key, event, record, self.now))

    def passes(self, seconds: float, *talking: str) -> list[str]:
        """Time passes, in which some nodes keep talking."""
        told: list[str] = []
        for _ in range(int(seconds * 2)):
            self.now += S // 2
            for node in talking:
                told += self.heard(node)
            told += self.record(self.presence.tick(self.now))
        return told


def _short(entry: journal.Entry) -> str:
    if isinstance(entry, journal.Node):
        return f"{entry.node} {entry.event}"
    if isinstance(entry, journal.Process):
        return f"{entry.key} {entry.event}"
    if isinstance(entry, journal.State):
        return f"run {entry.state}"
    return entry.kind


@pytest.fixture
def world() -> World:
    world = World()
    world.hello("a")
    return world


def test_a_run_has_not_started_until_a_process_of_it_has() -> None:
    world = World()
    assert world.presence.state == NOT_STARTED
    assert world.hello("a") == ["a joined"]
    assert world.passes(100, "a") == []
    assert world.presence.state == NOT_STARTED
    assert world.process("a", "0-1", "started", pid=1) == ["0-1 started", "run running"]
    assert world.process("a", "1-1", "started", pid=2) == ["1-1 started"]


def test_a_run_of_which_only_an_end_is_told_has_run() -> None:
    world = World()
    world.hello("a")
    assert world.process("a", "0-1", "exited", exit_code=0) == ["0-1 exited", "run running"]


def test_the_few_that_end_with_0_while_the_others_go_on_are_told_once(world: World) -> None:
    for rank in range(3):
        world.process("a", f"{rank}-1", "started", rank=rank, world_size=3)
    world.process("a", "2-1", "exited", exit_code=0)
    assert world.passes(3, "a") == []
    assert world.passes(5, "a") == ["2-1 early"]
    world.process("a", "1-1", "exited", exit_code=0)
    assert world.passes(5, "a") == [], "most have ended: the last one is late"


def test_who_ends_badly_while_the_others_go_on_is_not_called_early(world: World) -> None:
    for rank in range(3):
        world.process("a", f"{rank}-1", "started", rank=rank, world_size=3)
    world.process("a", "2-1", "exited", exit_code=3)
    assert world.passes(5, "a") == []


def test_a_silent_node_is_lost_with_its_processes_and_back_at_its_next_word(world: World) -> None:
    world.process("a", "0-1", "started", pid=1)
    assert world.passes(3) == []
    assert world.passes(0.5) == ["a lost", "0-1 lost"]
    assert world.passes(10) == []
    assert world.heard("a") == ["a rejoined", "0-1 back"]


def test_a_new_session_brings_a_lost_node_back_too(world: World) -> None:
    world.process("a", "0-1", "started", pid=1)
    world.passes(4)
    assert world.hello("a") == ["a rejoined", "0-1 back"]


def test_a_process_that_has_ended_is_not_lost(world: World) -> None:
    world.process("a", "0-1", "started", pid=1, world_size=2, rank=0)
    world.process("a", "0-1", "exited", exit_code=0)
    assert world.passes(4) == ["a lost"]


def test_nobody_is_lost_while_the_collector_itself_did_not_run(world: World) -> None:
    world.passes(1, "a")
    world.now += 3600 * S
    assert world.passes(2.5) == []
    assert world.passes(1.5) == ["a lost"]


def test_a_clock_that_is_set_back_loses_nobody(world: World) -> None:
    world.passes(1, "a")
    world.now -= 3600 * S
    assert world.passes(2.5) == []
    assert world.passes(1.5) == ["a lost"]


def test_an_older_agent_is_fenced_and_the_same_or_a_newer_one_is_not(world: World) -> None:
    world.hello("a", epoch=5)
    assert world.presence.is_fenced("a", 4)
    assert not world.presence.is_fenced("a", 5)
    assert not world.presence.is_fenced("a", 6)
    assert not world.presence.is_fenced("b", 0)


def test_replayed_facts_about_a_process_change_nothing(world: World) -> None:
    assert world.process("a", "0-1", "started", pid=1) == ["0-1 started", "run running"]
    assert world.process("a", "0-1", "started", pid=1) == []
    assert world.process("a", "0-1", "exited", exit_code=0) == ["0-1 exited"]
    assert world.process("a", "0-1", "vanished", end_ns=1) == []


def test_a_run_ends_when_all_nodes_have_left(world: World) -> None:
    world.hello("b")
    world.process("a", "0-1", "started", pid=1, rank=0, world_size=2)
    world.process("b", "1-1", "started", pid=1, rank=1, world_size=2)
    world.process("a", "0-1", "exited", exit_code=0)
    assert world.passes(1, "a", "b") == []
    world.process("b", "1-1", "exited", exit_code=0)
    assert world.passes(1, "a", "b") == ["run finalizing"]
    world.goodbye("a")
    assert world.passes(1, "b") == []
    world.goodbye("b")
    assert world.passes(1) == ["run completed"]
    assert world.presence.is_ended


def test_a_run_waits_for_ranks_that_have_not_come_up_yet(world: World) -> None:
    world.process("a", "0-1", "started", pid=1, rank=0, world_size=2)
    world.process("a", "0-1", "exited", exit_code=0)
    world.goodbye("a")
    assert world.passes(30) == []
    assert world.hello("b") == ["b joined"]
    world.process("b", "1-1", "started", pid=1, rank=1, world_size=2)
    world.process("b", "1-1", "exited", exit_code=0)
    world.goodbye("b")
    assert world.passes(1) == ["run completed"]


def test_a_run_does_not_wait_for_them_for_ever(world: World) -> None:
    world.process("a", "0-1", "started", pid=1, rank=0, world_size=2)
    world.process("a", "0-1", "exited", exit_code=0)
    world.goodbye("a")
    assert world.passes(GONE_NS / S + 2) == ["run completed"]


def test_a_node_that_stays_lost_ends_the_run_as_lost(world: World) -> None:
    world.process("a", "0-1", "started", pid=1)
    assert world.passes(GONE_NS / S) == ["a lost", "0-1 lost"]
    assert world.passes(5) == ["run lost"]


def test_a_node_without_processes_ends_no_run(world: World) -> None:
    world.goodbye("a")
    assert world.passes(GONE_NS / S * 2) == []


def test_a_late_joiner_reopens_an_ended_run(world: World) -> None:
    world.process("a", "0-1", "started", pid=1)
    world.process("a", "0-1", "exited", exit_code=1)
    world.goodbye("a")
    assert world.passes(1) == ["run failed"]
    assert world.hello("b") == ["b joined", "run running"]
    assert not world.presence.is_ended


def test_a_process_that_starts_while_finalizing_makes_the_run_running_again(world: World) -> None:
    world.process("a", "0-1", "started", pid=1)
    world.process("a", "0-1", "exited", exit_code=0)
    assert world.passes(1, "a") == ["run finalizing"]
    assert world.process("a", "0-2", "started", pid=2) == ["0-2 started", "run running"]


def test_a_clock_is_noted_when_it_is_first_measured_and_when_it_changes(world: World) -> None:
    def clock(offset_ms: int, error_ms: int) -> list[str]:
        return world.record(world.presence.clock("a", offset_ms * 1_000_000, error_ms * 1_000_000, world.now))

    assert clock(0, 1) == ["clock"]
    assert clock(5, 1) == []
    assert clock(150, 1) == ["clock"]
    assert world.presence.nodes["a"].offset_ns == 150_000_000
    assert clock(100, 60) == []
    assert clock(80, 60) == ["clock"]


def test_a_clock_that_was_first_measured_badly_is_set_right_by_a_better_measurement(world: World) -> None:
    assert world.record(world.presence.clock("a", 160_000_000, 161_000_000, world.now)) == ["clock"]
    assert world.record(world.presence.clock("a", 0, 1_000_000, world.now)) == ["clock"]
    assert world.presence.nodes["a"].offset_ns == 0


def test_after_a_restart_everybody_has_time_to_come_back(world: World) -> None:
    again = World()
    again.record(world.entries)
    again.now = world.now + 3600 * S
    again.presence.wake(again.now)
    assert again.passes(3) == []
    assert again.passes(0.5) == ["a lost"]
