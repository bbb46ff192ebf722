"""Runs of ranks that have logged one metric, as a collector would have left them, and lines of points."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from zlib import crc32

from ranklog_collector.core import journal
from ranklog_collector.core.layout import JOURNAL, METRICS

START_NS = 1_790_000_000_000_000_000
STEP_NS = 100_000_000
NODE = "node0"
KEY = "loss"
_BLOCK = 50_000


def process_key(rank: int) -> str:
    """Of the process that is this rank."""
    return f"{rank}-{1000 + rank}-{START_NS}"


def record(rank: int, ranks: int, hostname: str = NODE) -> journal.Record:
    """Who the process is."""
    return {
        "version": 1,
        "key": process_key(rank),
        "pid": 1000 + rank,
        "start_ns": START_NS,
        "hostname": hostname,
        "rank": rank,
        "world_size": ranks,
    }


def lines(rank: int, begin: int, count: int) -> Iterator[bytes]:
    """One value a line, as `run.log` writes them; in blocks."""
    noise = random.Random(rank * 1_000_003 + begin)
    for first in range(begin, begin + count, _BLOCK):
        steps = range(first, min(first + _BLOCK, begin + count))
        yield b"".join(
            b'{"t":%d,"k":"%b","v":%r,"s":%d}\n'
            % (START_NS + step * STEP_NS + rank, KEY.encode(), noise.random() / (step + 1), step)
            for step in steps
        )


@dataclass
class PointsRun:
    """A run folder. What is appended is vouched for, as after a collector's sync."""

    folder: str
    ranks: int
    _sizes: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        os.makedirs(os.path.dirname(os.path.join(self.folder, JOURNAL)))
        self._log(
            journal.Run(1, "bench", "default", START_NS),
            journal.Node(NODE, "joined", START_NS, ip="10.0.0.1", hostname=NODE),
        )
        for rank in range(self.ranks):
            key, path = process_key(rank), self._path(rank)
            self._log(
                journal.Process(NODE, key, "started", START_NS, record(rank, self.ranks)),
                journal.Stream(rank + 1, NODE, "metrics", key, "", path),
                journal.Segment(rank + 1, f"{rank:016x}", rank + 1, path, 0, 0, 0, False, START_NS),
                journal.Extent(rank + 1, 0, 0),
            )
            self._sizes[rank] = (0, 0)

    def append(self, begin: int, count: int) -> None:
        """Let each rank log so many steps."""
        for rank in range(self.ranks):
            size, checksum = self._sizes[rank]
            path = os.path.join(self.folder, self._path(rank))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "ab") as file:
                for block in lines(rank, begin, count):
                    file.write(block)
                    size, checksum = size + len(block), crc32(block, checksum)
            self._sizes[rank] = size, checksum
            self._log(journal.Mark(rank + 1, size, checksum, ((size, START_NS + (begin + count) * STEP_NS),)))

    def _path(self, rank: int) -> str:
        return f"{METRICS}/{NODE}/{process_key(rank)}.jsonl"

    def _log(self, *entries: journal.Entry) -> None:
        with open(os.path.join(self.folder, JOURNAL), "ab") as file:
            file.write(b"".join(map(journal.dump, entries)))
