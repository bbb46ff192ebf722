"""Files that are mirrored whole, and whose turn it is: the engine over a model of files."""

from __future__ import annotations

from itertools import count
from zlib import crc32

import pytest

from ranklog_agent.core import versions
from ranklog_agent.core.engine import ChunkOut, Engine, Outgoing
from ranklog_agent.core.facts import Identity, StreamName
from ranklog_agent.core.matching import Remembered
from ranklog_agent.core.shipping import FIRST_IN_A_ROW, QUANTUM_BYTES, Closing, Opening, Resume
from tests.simulation.model import ModelFile, ModelFiles

NOW = 1_000


class CountedFiles(ModelFiles):
    """Knows how many files are held open."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[ModelFile] = []

    def open(self, path: str) -> ModelFile | None:
        file = super().open(path)
        if file is not None:
            self.opened.append(file)
        return file

    @property
    def open_count(self) -> int:
        return sum(file.is_open for file in self.opened)

    def put(self, path: str, content: bytes) -> None:
        """A file appears whole, by rename."""
        self.now_ns += 1
        self.create(path)
        self.names[path].data.extend(content)


class Peer:
    """An engine in a session, and a collector that takes everything; `held` is what it has, by the stream's name."""

    def __init__(self, files: ModelFiles, memory: list[Remembered] | None = None) -> None:
        numbers = count(1)
        self.engine = Engine(files, lambda: f"{next(numbers):016x}")
        self.held: dict[str, bytes] = {}
        self.said: list[Outgoing] = []
        self._incoming: dict[int, tuple[str, bytearray]] = {}
        self._memory = memory or []

    def watch(self, path: str, stream: StreamName, is_snapshot: bool = True) -> None:
        self.engine.tracking.look(self.engine.tracking.watch(path, stream, is_snapshot), NOW)

    def connect(self) -> None:
        self.engine.connected(64 << 20)
        self.engine.recall(self._memory, NOW)

    def exchange(self, rounds: int = 1000) -> None:
        """Let both speak until there is nothing more to say."""
        for _ in range(rounds):
            out = self.engine.outgoing(1 << 20, NOW)
            if not out:
                return
            for message in out:
                self._take(message)

    def _take(self, message: Outgoing) -> None:
        self.said.append(message)
        if isinstance(message, Opening):
            self._incoming[message.handle] = (message.track.stream.name, bytearray())
            self.engine.resume(Resume(message.handle, 0, 0, 0), NOW)
        elif isinstance(message, ChunkOut):
            self._incoming[message.handle][1].extend(message.data)
            size = len(self._incoming[message.handle][1])
            self.engine.ack(message.handle, size, size, False)
        elif isinstance(message, Closing):
            name, data = self._incoming[message.handle]
            assert crc32(data) == message.crc
            self.held[name] = bytes(data)
            self.engine.ack(message.handle, len(data), len(data), True)


def artifact(name: str) -> StreamName:
    return StreamName("artifact", "0-1-1", name)


def test_many_files_are_sent_once_each_and_few_are_open_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "HELD_MAX", 4)
    files, expected = CountedFiles(), {}
    peer = Peer(files)
    for number in range(50):
        expected[f"{number}.png"] = b"picture %d" % number
        files.put(f"/{number}.png", expected[f"{number}.png"])
        peer.watch(f"/{number}.png", artifact(f"{number}.png"))
    assert files.open_count == 4
    peer.connect()
    peer.exchange()
    assert peer.held == expected
    assert files.open_count == 0
    assert sum(isinstance(message, Closing) for message in peer.said) == 50
    assert peer.engine.is_closed


def test_a_file_that_is_as_it_was_is_not_opened_again() -> None:
    files = CountedFiles()
    files.put("/s/a", b"content")
    peer = Peer(files)
    peer.connect()
    for _ in range(3):
        peer.watch("/s/a", artifact("a"))
        peer.exchange()
    assert len(files.opened) == 1
    files.put("/s/a", b"CONTENT")
    peer.watch("/s/a", artifact("a"))
    peer.exchange()
    assert peer.held == {"a": b"CONTENT"}
    assert files.open_count == 0


def test_an_agent_is_not_done_while_files_wait_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "HELD_MAX", 1)
    files = CountedFiles()
    peer = Peer(files)
    peer.connect()
    for name in ("a", "b"):
        files.put(f"/{name}", b"")
        peer.watch(f"/{name}", artifact(name))
    assert not peer.engine.is_closed
    peer.exchange()
    assert peer.engine.is_closed
    assert peer.held == {"a": b"", "b": b""}


def test_a_file_replaced_while_it_is_on_its_way_is_sent_again_without_being_heard_of() -> None:
    files = CountedFiles()
    peer = Peer(files)
    files.put("/a", b"first")
    peer.watch("/a", artifact("a"))
    peer.connect()
    (opening,) = peer.engine.outgoing(1 << 20, NOW)
    files.put("/a", b"second")
    peer._take(opening)
    peer.exchange()
    assert peer.held == {"a": b"second"}
    assert peer.engine.is_closed


@pytest.mark.parametrize("is_early", [True, False])
def test_an_agent_without_memory_sends_only_what_the_collector_lacks(is_early: bool) -> None:
    files = CountedFiles()
    contents = {"same": b"content", "changed": b"other", "new": b"new", "cut": b"half"}
    known = {"same": (b"content", True), "changed": (b"OTHER", True), "cut": (b"ha", False)}
    memory = [
        Remembered(
            stream=artifact(name),
            segment=f"{number:016x}",
            path=f"/{name}",
            identity=Identity(1, 999),
            offset=len(held),
            crc=crc32(held),
            tail_length=len(held),
            tail_crc=crc32(held),
            closed=closed,
            snapshot=True,
        )
        for number, (name, (held, closed)) in enumerate(known.items(), 77)
    ]
    peer = Peer(files, memory)
    if not is_early:
        peer.connect()
    for name, content in contents.items():
        files.put(f"/{name}", content)
        peer.watch(f"/{name}", artifact(name))
    if is_early:
        peer.connect()
    peer.exchange()
    assert peer.held == {name: contents[name] for name in ("changed", "new", "cut")}
    assert files.open_count == 0
    assert peer.engine.is_closed


def test_points_go_before_output_that_was_there_first_but_do_not_hold_it_up() -> None:
    files = ModelFiles()
    peer = Peer(files)
    size = 3 * FIRST_IN_A_ROW * QUANTUM_BYTES
    for path in ("/out", "/points"):
        files.create(path)
        files.names[path].data.extend(b"x" * size)
    peer.watch("/out", StreamName("stdout", "0-1-1", "out"), is_snapshot=False)
    peer.watch("/points", StreamName("metrics", "0-1-1", "points"), is_snapshot=False)
    peer.connect()
    for opening in peer.engine.outgoing(1 << 20, NOW):
        peer._take(opening)
    chunks = [message for message in peer.engine.outgoing(8 * QUANTUM_BYTES, NOW) if isinstance(message, ChunkOut)]
    names = [peer._incoming[chunk.handle][0] for chunk in chunks]
    assert names[:4] == ["points"] * FIRST_IN_A_ROW + ["out"]
    assert names[4:8] == names[:4]
