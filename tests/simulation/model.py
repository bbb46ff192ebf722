"""A model of the outside world: files with a writer, a wire that breaks, a collector that loses what was not synced."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import count
from zlib import crc32

from ranklog_agent.core.engine import ChunkOut, Engine, Outgoing
from ranklog_agent.core.facts import Identity, Sight, StreamName
from ranklog_agent.core.matching import Remembered
from ranklog_agent.core.shipping import Opening, Telling
from ranklog_collector.core.assembly import Assembly, Extent, Mark, Refusal, Segment, Write

TAIL = 4096


@dataclass
class Inode:
    """A file; each truncation begins another generation of its contents."""

    identity: Identity
    generations: list[bytearray] = field(default_factory=lambda: [bytearray()])
    writers: int = 0
    links: int = 1
    mtime_ns: int = 0

    @property
    def data(self) -> bytearray:
        return self.generations[-1]


class ModelFile:
    """An open file of the model."""

    def __init__(self, inode: Inode) -> None:
        self.inode = inode
        self.is_open = True

    @property
    def identity(self) -> Identity:
        return self.inode.identity

    def sight(self) -> Sight:
        assert self.is_open
        return Sight(len(self.inode.data), self.inode.links, self.inode.mtime_ns)

    def read(self, offset: int, length: int) -> bytes:
        assert self.is_open
        return bytes(self.inode.data[offset : offset + length])

    def again(self) -> ModelFile:
        assert self.is_open
        return ModelFile(self.inode)

    def has_writer(self) -> bool:
        return self.inode.writers > 0

    def close(self) -> None:
        assert self.is_open
        self.is_open = False


class ModelFiles:
    """A folder of the model, and one writer for each path."""

    def __init__(self) -> None:
        self.names: dict[str, Inode] = {}
        self.inodes: list[Inode] = []
        self.copies: set[int] = set()
        self.now_ns = 1
        self._numbers = count(1)
        self._records = count()
        self.writers: dict[str, Inode] = {}

    # the engine's interface
    def identity_at(self, path: str) -> Identity | None:
        identity = self.names[path].identity if path in self.names else None
        return Identity(identity.device, identity.inode) if identity else None

    def glance(self, path: str) -> tuple[Identity, Sight] | None:
        identity = self.identity_at(path)
        return None if identity is None else (identity, ModelFile(self.names[path]).sight())

    def open(self, path: str) -> ModelFile | None:
        return ModelFile(self.names[path]) if path in self.names else None

    def peek(self, path: str) -> ModelFile | None:
        return self.open(path)

    def siblings(self, path: str) -> list[str]:
        return [name for name in self.names if name != path]

    # the writer's doings
    def create(self, path: str) -> None:
        inode = Inode(Identity(1, next(self._numbers), self.now_ns))
        self._unname(path)
        self.names[path] = inode
        self.inodes.append(inode)

    def write(self, path: str, size: int) -> None:
        """Append one record, unlike any other, to the file that the writer of `path` holds."""
        inode = self.writers.get(path)
        if inode is None:
            if path not in self.names:
                self.create(path)
            inode = self.writers[path] = self.names[path]
            inode.writers += 1
        inode.mtime_ns += 1
        inode.data.extend(b"%06d" % next(self._records) + b"." * (size % 7) + b"\n")

    def reopen(self, path: str) -> None:
        """The writer turns to what the path names now."""
        inode = self.writers.pop(path, None)
        if inode is not None:
            inode.writers -= 1

    def rename(self, path: str) -> None:
        """Rotate by renaming, the next generation of names being moved up."""
        if path not in self.names:
            return
        self._unname(path + ".2")
        if path + ".1" in self.names:
            self.names[path + ".2"] = self.names.pop(path + ".1")
        self.names[path + ".1"] = self.names.pop(path)

    def copy_truncate(self, path: str, keep_copy: bool) -> None:
        if path not in self.names:
            return
        inode = self.names[path]
        if keep_copy:
            self.create(path + ".1")
            copy = self.names[path + ".1"]
            copy.data.extend(inode.data)
            self.copies.add(copy.identity.inode)
        inode.mtime_ns += 1
        inode.generations.append(bytearray())

    def delete(self, path: str) -> None:
        self._unname(path)

    def _unname(self, path: str) -> None:
        inode = self.names.pop(path, None)
        if inode is not None:
            inode.links -= 1


@dataclass
class Stream:
    """A stream's file at the collector."""

    assembly: Assembly = field(default_factory=Assembly)
    data: bytearray = field(default_factory=bytearray)


@dataclass
class Held:
    """A segment at the collector."""

    number: int
    stream: StreamName
    remembered: Remembered
    gaps: list[tuple[int, int | None]] = field(default_factory=list)


@dataclass
class Connection:
    """The collector's side of one session."""

    handles: dict[int, Held] = field(default_factory=dict)
    rounds: dict[StreamName, int] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    out: deque[tuple[str, tuple[int, ...]]] = field(default_factory=deque)


class ModelCollector:
    """The collector's core behind a disk: the journal is a list, a crash keeps a prefix of what was not synced."""

    assembly_type: type[Assembly] = Assembly

    def __init__(self) -> None:
        self.streams: dict[StreamName, Stream] = {}
        self.segments: dict[str, Held] = {}
        self.journal: list[tuple[Held, Extent | Mark | int]] = []
        self._synced = 0
        self._numbers = count(1)
        self.connection = Connection()
        self.full = False

    def receive(self, connection: Connection, message: Outgoing) -> None:
        """Take a message; one of a connection that was lost long ago may still come."""
        if isinstance(message, Opening):
            if connection is self.connection:
                self._open(connection, message)
            return
        held = connection.handles.get(message.handle)
        if held is None:
            return  # closed and confirmed while this was on its way
        if isinstance(message, Telling):
            gap = (message.loss.offset, message.loss.end)
            if gap not in held.gaps:
                held.gaps.append(gap)
        elif message.handle in connection.paused:
            return
        elif isinstance(message, ChunkOut):
            self._append(connection, held, message)
        elif self._assembly(held).close(self._segment(held), message.size, message.crc):
            self.journal.append((held, message.size))
            self._ack(connection, message.handle)
        else:
            self._next_round(connection, held.stream)

    def sync(self) -> None:
        """One sync cycle; a full disk fails it."""
        for name, stream in self.streams.items():
            if self.full:
                self._roll_back(name, stream)
                continue
            marks = stream.assembly.cut()
            for mark in marks:
                self.journal.append((self._by_number(mark.segment), mark))
            stream.assembly.synced(marks)
        self._synced = len(self.journal)
        for handle in list(self.connection.handles):
            self._ack(self.connection, handle)

    def free(self) -> None:
        """There is room on the disk again."""
        self.full = False
        connection = self.connection
        paused = {connection.handles[handle].stream for handle in connection.paused}
        connection.paused.clear()
        for name in sorted(paused, key=repr):
            self._next_round(connection, name)

    def crash(self, keep: int) -> None:
        """Lose the process: what the journal vouches for is replayed, the rest of the bytes is cut off."""
        unsynced = len(self.journal) - self._synced
        self.journal = self.journal[: self._synced + (keep % (unsynced + 1))]
        self._synced = len(self.journal)
        self.connection = Connection()
        self.full = False
        for stream in self.streams.values():
            stream.assembly = self.assembly_type()
        for held in self.segments.values():
            self._assembly(held).open(held.number)
        for held, entry in self.journal:
            assembly = self._assembly(held)
            if isinstance(entry, Extent):
                assembly.replay_extent(entry)
            elif isinstance(entry, Mark):
                assembly.replay_mark(held.number, entry.end, entry.crc)
            else:
                assembly.replay_close(held.number, entry)
        for name, stream in self.streams.items():
            size = stream.assembly.rollback()
            self._forget_behind(name, size)
            stream.data = stream.data[:size]

    def memory(self) -> list[Remembered]:
        """What a cold agent is told."""
        return [self._remember(held) for held in self.segments.values()]

    def bytes_of(self, held: Held) -> bytes:
        """The segment's bytes as the stream's file holds them."""
        stream = self.streams[held.stream]
        extents = stream.assembly.extents
        ends = [*(extent.pos for extent in extents), len(stream.data)][1:]
        return b"".join(
            bytes(stream.data[extent.pos : end])
            for extent, end in zip(extents, ends, strict=True)
            if extent.segment == held.number
        )

    def durable(self, segment: Segment) -> int:
        """What is acknowledged as safe."""
        return segment.durable

    def _open(self, connection: Connection, message: Opening) -> None:
        one = message.incarnation
        name = message.track.stream
        if name not in self.streams:
            self.streams[name] = Stream(self.assembly_type())
        held = self.segments.get(one.segment)
        if held is None:
            memory = Remembered(name, one.segment, message.track.path, one.identity, 0, 0, 0, 0, False)
            held = self.segments[one.segment] = Held(next(self._numbers), name, memory)
        self.streams[name].assembly.open(held.number)
        connection.handles[message.handle] = held
        if self.full:
            connection.paused.add(message.handle)
        else:
            self._resume(connection, message.handle)

    def _append(self, connection: Connection, held: Held, chunk: ChunkOut) -> None:
        stream, segment = self.streams[held.stream], self._segment(held)
        if chunk.round != connection.rounds.get(held.stream, 0):
            return
        result = stream.assembly.append(segment, chunk.offset, memoryview(chunk.data), chunk.crc, chunk.seen)
        if isinstance(result, Write):
            if result.extent is not None:
                self.journal.append((held, result.extent))
            del stream.data[result.pos :]
            stream.data += result.data
        elif result is not Refusal.REPEAT:
            self._next_round(connection, held.stream)
            return
        connection.out.append(("ack", (chunk.handle, segment.received, self.durable(segment), 0)))

    def _roll_back(self, name: StreamName, stream: Stream) -> None:
        size = stream.assembly.rollback()
        self._forget_behind(name, size)
        del stream.data[size:]
        for handle, held in self.connection.handles.items():
            if held.stream == name and handle not in self.connection.paused:
                self.connection.paused.add(handle)
                self.connection.out.append(("pause", (handle,)))

    def _forget_behind(self, name: StreamName, size: int) -> None:
        """What a `reset` line does to the extents before it."""
        self.journal = [
            (held, entry)
            for held, entry in self.journal
            if not (isinstance(entry, Extent) and held.stream == name and entry.pos >= size)
        ]
        self._synced = len(self.journal)

    def _next_round(self, connection: Connection, name: StreamName) -> None:
        connection.rounds[name] = connection.rounds.get(name, 0) + 1
        for handle, held in connection.handles.items():
            if held.stream == name and handle not in connection.paused:
                self._resume(connection, handle)

    def _resume(self, connection: Connection, handle: int) -> None:
        held = connection.handles[handle]
        segment = self._segment(held)
        values = (handle, segment.received, segment.crc, connection.rounds.get(held.stream, 0))
        connection.out.append(("resume", values))

    def _ack(self, connection: Connection, handle: int) -> None:
        segment = self._segment(connection.handles[handle])
        connection.out.append(("ack", (handle, segment.received, self.durable(segment), int(segment.is_done))))
        if segment.is_done:
            del connection.handles[handle]
            connection.paused.discard(handle)

    def _assembly(self, held: Held) -> Assembly:
        return self.streams[held.stream].assembly

    def _segment(self, held: Held) -> Segment:
        return self._assembly(held).segments[held.number]

    def _by_number(self, number: int) -> Held:
        return next(held for held in self.segments.values() if held.number == number)

    def _remember(self, held: Held) -> Remembered:
        data = self.bytes_of(held)
        segment = self._segment(held)
        tail = data[-TAIL:]
        old = held.remembered
        return Remembered(
            old.stream, old.segment, old.path, old.identity, len(data), segment.crc, len(tail), crc32(tail),
            segment.closed is not None,
        )  # fmt: skip


def new_engine(files: ModelFiles, paths: list[str], names: count[int]) -> Engine:
    """An agent that has just been started and remembers nothing."""
    engine = Engine(files, lambda: f"segment-{next(names)}")
    for path in paths:
        engine.tracking.watch(path, StreamName("log", "", path))
    return engine
