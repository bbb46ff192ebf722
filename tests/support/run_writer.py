"""Makes run folders as a collector would leave them, from a description in the order of events."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from ranklog_collector.core import journal

START = 1_790_000_000_000_000_000
"""Nanoseconds since the Unix epoch; all times given to a writer are seconds after it."""


def ns(seconds: float) -> int:
    return START + round(seconds * 1e9)


@dataclass
class _Segment:
    number: int
    size: int = 0
    crc: int = 0


@dataclass
class _Stream:
    number: int
    path: str
    size: int = 0
    segment: _Segment | None = None
    is_extent_open: bool = False


@dataclass
class RunWriter:
    """One run folder. Every call writes files and journal at once; `at` is in seconds, by the node's own clock."""

    folder: Path
    run_id: str = "r1"
    experiment: str = "default"
    world_size: int = 1
    _streams: dict[int, _Stream] = field(default_factory=dict)
    _segments: int = 0
    _keys: dict[int, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / ".ranklog/journal").mkdir(parents=True)
        self.log(journal.Run(1, self.run_id, self.experiment, START))

    @property
    def journal_path(self) -> Path:
        return self.folder / ".ranklog/journal/events.jsonl"

    def log(self, *entries: journal.Entry) -> None:
        with self.journal_path.open("ab") as file:
            file.write(b"".join(map(journal.dump, entries)))

    # ---- nodes and processes ----------------------------------------------------------------------------------------

    def node(self, node: str, ip: str = "10.0.0.1", event: str = "joined", at: float = 0, **facts: Any) -> None:
        self.log(journal.Node(node, event, ns(at), ip=ip, hostname=node, **facts))

    def clock(self, node: str, offset_s: float, at: float = 0) -> None:
        self.log(journal.Clock(node, round(offset_s * 1e9), 1000, ns(at)))

    def rank(self, rank: int | None, node: str = "n0", at: float = 0, pid: int | None = None, **record: Any) -> str:
        """Start a process; returns its key."""
        pid = 100 + (rank or 0) if pid is None else pid
        key = f"{'p' if rank is None else rank}-{pid}-{ns(at)}"
        facts = {"version": 1, "key": key, "pid": pid, "start_ns": ns(at), "hostname": node, **record}
        if rank is not None:
            facts |= {"rank": rank, "world_size": self.world_size}
            self._keys[rank] = (node, key)
        self.log(journal.Process(node, key, "started", ns(at), facts))
        return key

    def exit(self, rank: int, at: float = 10, code: int | None = 0, **end: Any) -> None:
        node, key = self._keys[rank]
        record = {"version": 1, "key": key, "end_ns": ns(at), "exit_code": code, "signal": None, **end}
        self.log(journal.Process(node, key, "exited", ns(at), record))

    def lose(self, rank: int, at: float = 5, event: str = "lost") -> None:
        self.log(journal.Process(*self._keys[rank], event, ns(at)))

    # ---- streams ----------------------------------------------------------------------------------------------------

    def stream(
        self, path: str, node: str = "n0", role: str = "stdout", process: str = "", name: str = "", source: str = "/src"
    ) -> int:
        number = len(self._streams) + 1
        self._streams[number] = _Stream(number, path)
        self.log(journal.Stream(number, node, role, process, name, path))
        self._begin(number, source)
        return number

    def output(self, rank: int, path: str = "", role: str = "stdout", source: str = "/src") -> int:
        """Make the stream of a rank's output."""
        node, key = self._keys[rank]
        return self.stream(path or f"azureml-logs/70_driver_log_{rank}.txt", node, role, key, source=source)

    def write(self, stream: int, data: bytes, at: float = 1, vouch: bool = True) -> None:
        """Append to a stream's file; with `vouch` off as a collector that was killed before its journal line."""
        one = self._streams[stream]
        path = self.folder / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)
        if not vouch:
            return
        segment = one.segment
        assert segment is not None
        if not one.is_extent_open:
            self.log(journal.Extent(segment.number, segment.size, one.size))
            one.is_extent_open = True
        segment.size += len(data)
        segment.crc = crc32(data, segment.crc)
        one.size += len(data)
        self.log(journal.Mark(segment.number, segment.size, segment.crc, ((one.size, ns(at)),)))

    def rotate(self, stream: int, source: str = "/src") -> None:
        """Close the segment and begin the next."""
        self.close(stream)
        self._begin(stream, source)

    def close(self, stream: int, at: float = 9) -> None:
        segment = self._streams[stream].segment
        assert segment is not None
        self.log(journal.Close(segment.number, segment.size, segment.crc, ns(at)))

    def gap(self, stream: int, size: int | None, reason: str = "truncated", at: float = 3) -> None:
        segment = self._streams[stream].segment
        assert segment is not None
        end = None if size is None else segment.size + size
        self.log(journal.Gap(segment.number, segment.size, end, reason, ns(at)))

    def snapshot(self, stream: int, data: bytes, at: float = 4, source: str = "/src") -> None:
        """Replace the stream's file as a whole."""
        self._begin(stream, source, is_snapshot=True)
        one = self._streams[stream]
        path = self.folder / one.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        assert one.segment is not None
        self.log(journal.Snapshot(one.segment.number, len(data), crc32(data), ns(at)))

    def rename(self, stream: int, path: str) -> None:
        one = self._streams[stream]
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / one.path).rename(self.folder / path)
        one.path = path
        self.log(journal.Path(stream, path))

    def end(self, state: str = "completed", at: float = 20) -> None:
        self.log(journal.State(state, ns(at)), journal.Stopped(ns(at)))

    def path(self, stream: int) -> Path:
        return self.folder / self._streams[stream].path

    def _begin(self, stream: int, source: str, is_snapshot: bool = False) -> None:
        self._segments += 1
        one = self._streams[stream]
        one.segment, one.is_extent_open = _Segment(self._segments), False
        device, inode = 0, 0
        if Path(source).exists():
            status = Path(source).stat()
            device, inode = status.st_dev, status.st_ino
        self.log(
            journal.Segment(
                self._segments, f"{self._segments:016x}", stream, source, device, inode, 0, is_snapshot, START
            )
        )


def job(folder: Path, ranks: int = 2, **options: Any) -> tuple[RunWriter, list[int]]:
    """A run of one node with so many ranks, each with an empty output stream."""
    writer = RunWriter(folder, world_size=ranks, **options)
    writer.node("n0")
    streams = []
    for rank in range(ranks):
        writer.rank(rank)
        streams.append(writer.output(rank))
    return writer, streams
