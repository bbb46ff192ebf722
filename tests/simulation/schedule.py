"""One schedule: an order in which writer, agent, wire and collector act, and what must be true when all is quiet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count

from ranklog_agent.core.engine import Engine, Outgoing
from ranklog_agent.core.shipping import Resume
from tests.simulation.model import Connection, Held, Inode, ModelCollector, ModelFiles, new_engine

Step = tuple[str, int]

WRITER_STEPS = [
    "write",
    "write",
    "write",
    "rename",
    "rename_lazily",
    "turn",
    "delete",
    "copy_truncate",
    "truncate",
    "regrow",
]
AGENT_STEPS = ["look", "look", "look", "send", "send", "send"]
COLLECTOR_STEPS = ["receive", "receive", "receive", "sync", "sync", "answer", "answer", "answer"]
FAULT_STEPS = ["wait", "late", "cut", "hiccup", "connect", "connect", "crash_agent", "crash_collector", "fill", "free"]
STEPS = [*WRITER_STEPS, *AGENT_STEPS, *COLLECTOR_STEPS, *FAULT_STEPS]

ALWAYS = {"write", "look", "send", "receive", "answer", "connect", "sync"}

PATHS = ["a.log", "b.log"]


class Violation(AssertionError):  # noqa: N818
    """A schedule in which bytes were lost in silence, doubled or put out of order."""


class World:
    """All actors, and the clock."""

    def __init__(self, collector: ModelCollector | None = None) -> None:
        self.files = ModelFiles()
        self.collector = collector or ModelCollector()
        self.now = 1
        self._names: count[int] = count(1)
        self.engine: Engine = new_engine(self.files, PATHS, self._names)
        self.wire: deque[Outgoing] = deque()
        self.late: deque[tuple[Connection, Outgoing]] = deque()
        """Messages of lost connections that may still arrive."""
        self.connected = False
        self.truncated = False
        self.deleted = False
        self.attached: set[int] = set()
        """Inodes that an agent which never crashed since has held."""

    def run(self, steps: list[Step]) -> None:
        """Act the schedule out, then let everything come to rest and check."""
        for name, argument in steps:
            self.now += 1_000_000
            self.files.now_ns = self.now
            getattr(self, f"do_{name}")(argument)
        self._come_to_rest()
        self._check()

    # ---- writer -----------------------------------------------------------------------------------------------------

    def do_write(self, argument: int) -> None:
        self.files.write(PATHS[argument % 2], argument // 2)

    def do_rename(self, argument: int) -> None:
        path = PATHS[argument % 2]
        self.files.rename(path)
        self.files.reopen(path)

    def do_rename_lazily(self, argument: int) -> None:
        """The writer goes on with the old file until it turns."""
        self.files.rename(PATHS[argument % 2])

    def do_turn(self, argument: int) -> None:
        self.files.reopen(PATHS[argument % 2])

    def do_delete(self, argument: int) -> None:
        self.deleted = True
        self.files.delete(PATHS[argument % 2])
        self.files.reopen(PATHS[argument % 2])

    def do_copy_truncate(self, argument: int) -> None:
        self.truncated = True
        self.late.clear()
        self.files.copy_truncate(PATHS[argument % 2], keep_copy=True)

    def do_truncate(self, argument: int) -> None:
        self.truncated = True
        self.late.clear()
        self.files.copy_truncate(PATHS[argument % 2], keep_copy=False)

    def do_regrow(self, argument: int) -> None:
        """Truncate, and write more than there was before anybody looks."""
        self.do_truncate(argument)
        for _ in range(8):
            self.do_write(argument)

    # ---- agent ------------------------------------------------------------------------------------------------------

    def do_look(self, argument: int) -> None:
        track = list(self.engine.tracking.tracks.values())[argument % len(self.engine.tracking.tracks)]
        self.engine.tracking.look(track, self.now)
        for one in track.incarnations:
            if self.engine.tracking.holding.is_held(one.identity):
                self.attached.add(one.identity.inode)

    def do_send(self, argument: int) -> None:
        self.wire.extend(self.engine.outgoing(1 + argument * 3, self.now))

    def do_crash_agent(self, _: int) -> None:
        self.do_cut(0)
        self.attached.clear()
        self.engine = new_engine(self.files, PATHS, self._names)

    def do_wait(self, argument: int) -> None:
        self.now += argument * 100_000_000

    # ---- wire -------------------------------------------------------------------------------------------------------

    def do_connect(self, _: int) -> None:
        if self.connected:
            return
        self.connected = True
        self.engine.connected(window_bytes=64)
        if self.engine.is_cold:
            self.late.clear()  # a newer agent fences the older one
            for track in list(self.engine.tracking.tracks.values()):
                self.engine.tracking.look(track, self.now)
            self.engine.recall(self.collector.memory(), self.now)

    def do_cut(self, argument: int) -> None:
        """The connection breaks; of what was on its way a part still arrives."""
        for _ in range(argument % (len(self.wire) + 1)):
            self.do_receive(0)
        self.late.extend((self.collector.connection, message) for message in self.wire)
        self.connected = False
        self.wire.clear()
        self.collector.connection = Connection()
        self.engine.disconnected()

    def do_hiccup(self, argument: int) -> None:
        """The connection breaks and is back at once; what was on its way may come late."""
        self.do_cut(argument % 2)
        self.do_connect(0)
        self.do_send(argument)
        self.do_receive(0)
        self.do_receive(0)

    def do_receive(self, _: int) -> None:
        if self.wire:
            self.collector.receive(self.collector.connection, self.wire.popleft())

    def do_late(self, _: int) -> None:
        """A message of a lost connection comes after all.

        The collector ends the old session when the new one says Hello, so this cannot be; but as long as the source
        still holds what it held, it would be harmless, and trimming is what makes it so.
        """
        if self.late and not self.truncated:
            self.collector.receive(*self.late.popleft())

    def do_answer(self, _: int) -> None:
        if not self.collector.connection.out:
            return
        kind, values = self.collector.connection.out.popleft()
        if kind == "resume":
            self.engine.resume(Resume(*values), self.now)
        elif kind == "ack":
            self.engine.ack(values[0], values[1], values[2], bool(values[3]))
        else:
            self.engine.pause(values[0])

    # ---- collector --------------------------------------------------------------------------------------------------

    def do_sync(self, _: int) -> None:
        self.collector.sync()

    def do_crash_collector(self, argument: int) -> None:
        self.do_cut(argument)
        self.late.clear()
        self.collector.crash(argument)

    def do_fill(self, _: int) -> None:
        self.collector.full = True

    def do_free(self, _: int) -> None:
        self.collector.free()

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _come_to_rest(self) -> None:
        for path in PATHS:
            self.files.reopen(path)
        self.collector.free()
        self._repeat(lambda: self.engine.is_settled)
        self._repeat(lambda: self.engine.is_closed, is_ending=True)
        # The agent believes that all is safe and leaves: so it must be.
        self.collector.crash(0)

    def _repeat(self, is_enough: Callable[[], bool], is_ending: bool = False) -> None:
        for _ in range(400):
            self.now += 3_000_000_000
            if is_ending:
                self.engine.tracking.end_all()
            self._exchange()
            if is_enough():
                return
            self.do_sync(0)
        raise Violation(f"never comes to rest: {self._state()}")

    def _exchange(self) -> None:
        self.do_connect(0)
        for index in range(len(self.engine.tracking.tracks)):
            self.do_look(index)
        for _ in range(8):
            self.do_send(1000)
        while self.wire:
            self.do_receive(0)
        while self.collector.connection.out:
            self.do_answer(0)

    def _check(self) -> None:
        generations = [(inode, bytes(data)) for inode in self.files.inodes for data in inode.generations if data]
        taken: dict[bytes, str] = {}
        for name, held in self.collector.segments.items():
            data = self.collector.bytes_of(held)
            if data:
                self._check_segment(name, held, data, generations, taken)
        for inode, data in generations:
            self._check_generation(inode, data, taken)
        if not self.truncated:
            self._check_order()

    def _check_segment(
        self, name: str, held: Held, data: bytes, generations: list[tuple[Inode, bytes]], taken: dict[bytes, str]
    ) -> None:
        mine = [full for inode, full in generations if inode.identity == held.remembered.identity]
        whole = next((full for full in mine if full.startswith(data)), None)
        if whole is None:
            raise Violation(f"{name} holds bytes that no file ever held in this order: {data!r}")
        if whole in taken:
            raise Violation(f"{name} and {taken[whole]} both hold {data!r}")
        taken[whole] = name
        if data != whole and not any(offset <= len(data) for offset, _ in held.gaps):
            raise Violation(f"{name} lacks {whole[len(data) :]!r} and no gap says so: {self._state()}")

    def _check_generation(self, inode: Inode, data: bytes, taken: dict[bytes, str]) -> None:
        is_live = data == bytes(inode.data)
        was_seen = inode.identity.inode in self.attached
        if data in taken or inode.identity.inode in self.files.copies or self._has_gap_from_start(inode):
            return
        if is_live and (was_seen or any(self.files.names.get(path) is inode for path in PATHS)):
            raise Violation(f"nothing was collected of {data!r}: {self._state()}")

    def _has_gap_from_start(self, inode: Inode) -> bool:
        return any(
            held.remembered.identity == inode.identity and any(offset == 0 for offset, _ in held.gaps)
            for held in self.collector.segments.values()
        )

    def _check_order(self) -> None:
        cut_off = {held.stream for held in self.collector.segments.values() if held.gaps}
        for name, stream in self.collector.streams.items():
            if name in cut_off:
                continue
            numbers = [int(line[:6]) for line in bytes(stream.data).splitlines()]
            if numbers != sorted(set(numbers)):
                raise Violation(f"out of order or doubled: {numbers}")

    def _state(self) -> str:
        held = {name: (one.gaps, self.collector.bytes_of(one)) for name, one in self.collector.segments.items()}
        tracks = {path: track.incarnations for path, track in self.engine.tracking.tracks.items()}
        return f"collector={held} agent={tracks}"
