"""Who is asked for stacks, when, and how often."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ranklog_collector.core import journal
from ranklog_collector.core.layout import REQUESTS, StreamKey
from ranklog_collector.core.processes import Processes
from ranklog_collector.core.requests import StackRequest
from ranklog_collector.errors import StoreUnwritableError
from ranklog_collector.ingest import asking
from ranklog_collector.ingest.asking import Asking
from tests.unit.collector.memory_store import MemoryStore

ID = "0badcafe0badcafe"


class Asked:
    """A session that notes what it is asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[StackRequest, list[str]]] = []

    def dump_stacks(self, request: StackRequest, processes: Iterable[str]) -> None:
        self.requests.append((request, list(processes)))


class Job:
    """Two nodes with two ranks each, and a launcher on the first."""

    def __init__(self, silence_s: float = 0) -> None:
        self.store = MemoryStore()
        self.processes = Processes()
        self.sessions = {"n0": Asked(), "n1": Asked()}
        self.entries: list[journal.Entry] = []
        self.asking = Asking(self.store, self.processes, self.sessions, self.entries.append, silence_s)
        for rank in range(4):
            self._fact(f"n{rank // 2}", f"{rank}-1-1", "started", {"rank": rank, "pid": 1})
        self._fact("n0", "l-1-1", "started", {"role": "launcher", "pid": 2})

    def end(self, rank: int) -> None:
        self._fact(f"n{rank // 2}", f"{rank}-1-1", "exited", {"exit_code": 0, "end_ns": 5})

    def _fact(self, node: str, key: str, event: str, record: dict[str, object]) -> None:
        self.processes.apply(journal.Process(node, key, event, 1, {"start_ns": 1, **record}), 0)

    @property
    def asked(self) -> dict[str, list[list[str]]]:
        return {node: [keys for _, keys in one.requests] for node, one in self.sessions.items()}

    @property
    def nodes(self) -> list[tuple[str, ...]]:
        return [entry.nodes for entry in self.entries if isinstance(entry, journal.Stacks)]


def test_all_nodes_with_processes_that_live_are_asked() -> None:
    job = Job()
    job.asking.ask(StackRequest(ID))
    assert job.asked == {"n0": [[]], "n1": [[]]}
    job.end(2)
    job.end(3)
    job.asking.ask(StackRequest(ID))
    assert job.nodes == [("n0", "n1"), ("n0",)]


def test_of_some_ranks_only_their_nodes_are_asked_for_them() -> None:
    job = Job()
    job.asking.ask(StackRequest(ID, frozenset({3, 7})))
    assert job.asked == {"n0": [], "n1": [["3-1-1"]]}
    assert job.nodes == [("n1",)]


def test_a_node_whose_agent_is_away_is_not_asked_and_not_waited_for() -> None:
    job = Job()
    del job.sessions["n1"]
    job.asking.ask(StackRequest(ID))
    assert job.nodes == [("n0",)]


def test_a_request_is_taken_once_even_if_it_cannot_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job()
    path = f"{REQUESTS}/{ID}.json"
    job.store.put(path, StackRequest(ID).dump())
    job.store.put(f"{REQUESTS}/notes.txt", b"hello")

    def refuse(path: str) -> None:
        raise StoreUnwritableError(f"cannot remove {path}")

    with monkeypatch.context() as patch:
        patch.setattr(job.store, "remove", refuse)
        assert [request.id for request in job.asking.taken()] == [ID]
        assert job.asking.taken() == []
    assert path in job.store.files


def test_a_request_is_removed_when_it_is_taken() -> None:
    job = Job()
    job.store.put(f"{REQUESTS}/{ID}.json", b"\xff")
    assert job.asking.taken() == []
    assert job.store.list(REQUESTS) == []


def test_silence_has_those_who_live_asked_gently(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    monkeypatch.setattr(asking.time, "monotonic_ns", lambda: now[0])  # type: ignore[attr-defined]
    job = Job(silence_s=1)

    def asked_at(*seconds: float) -> list[bool]:
        found = []
        for second in seconds:
            now[0], before = round(second * 1e9), len(job.entries)
            job.asking.tick()
            found.append(len(job.entries) > before)
        return found

    assert asked_at(0, 0.9, 1, 1.5, 2, 3) == [False, False, True, False, True, False]
    assert all(request.is_gentle for request, _ in job.sessions["n0"].requests)
    job.asking.heard(StreamKey("n0", "stdout", "0-1-1", "", snapshot=False))
    job.asking.heard(StreamKey("n0", "metrics", "0-1-1", "resources", snapshot=False))
    assert asked_at(3.9, 4) == [False, True]
    now[0] = round(4.5e9)
    job.asking.heard(StreamKey("n0", "metrics", "0-1-1", "resources", snapshot=False))  # nothing that a process says
    assert asked_at(5) == [True]
    for rank in range(4):
        job.end(rank)
    assert asked_at(1000) == [False]
