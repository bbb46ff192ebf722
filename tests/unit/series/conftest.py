"""Runs of a few ranks that have logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from ranklog_collector.reading.folder import RunFolder
from tests.support.run_writer import START, RunWriter


class Job:
    """A run whose ranks log. Times are seconds after its start, by the node's own clock."""

    def __init__(self, folder: Path) -> None:
        self.writer = RunWriter(folder)
        self._streams: dict[tuple[str, str], int] = {}

    def rank(self, rank: int | None, node: str = "n0", **options: Any) -> str:
        """Start a process; returns its key."""
        return self.writer.rank(rank, node, **options)

    def raw(self, process: str, data: bytes, node: str = "n0", name: str = "") -> int:
        """Append bytes to a process's points; returns the number of their stream."""
        kind = f".{name}" if name else ""
        path = f".ranklog/metrics/{node}/{process}{kind}.jsonl"
        if (process, name) not in self._streams:
            self._streams[process, name] = self.writer.stream(path, node, "metrics", process, name)
        self.writer.write(self._streams[process, name], data)
        return self._streams[process, name]

    def log(self, process: str, at: float = 0, node: str = "n0", name: str = "", **members: Any) -> None:
        """Write one line."""
        self.raw(process, orjson.dumps({"t": START + round(at * 1e9), **members}) + b"\n", node, name)

    def open(self) -> RunFolder:
        """The folder as a reader sees it."""
        return RunFolder(str(self.writer.folder))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path / "r1")
