"""A run whose source says what a test says."""

from __future__ import annotations

from typing import Any

import pytest

from ranklog.run import Run
from ranklog.source.protocol import EMPTY, Json

LINES_MAX = 1000


class Told:
    """A source of one run. What it knows may be changed at any time; an exception in its place is raised."""

    url = "http://head:8080"

    def __init__(self) -> None:
        self.facts: Any = {"run_id": "r1", "experiment": "demo", "state": "running", "started": "2026-01-01T00:00:00Z"}
        self.found: Any = []
        self.known: Any = []
        self.judged: Json = {}
        self.said: list[Json] = []
        self.asked: list[tuple[Any, ...]] = []

    def run(self, run_id: str) -> Json:
        return dict(_or_raise(self.facts))

    def processes(self, run_id: str) -> list[Json]:
        return list(_or_raise(self.found))

    def verdict(self, run_id: str) -> Json:
        return self.judged

    def metrics(self, run_id: str) -> list[Json]:
        return list(_or_raise(self.known))

    def series(self, run_id: str, key: str, rank: int | None = None, points: int = 1000) -> list[Json]:
        self.asked.append(("series", key, rank))
        return [{"rank": rank or 0, "process": "p", "step": [1, 2], "value": [0.5, "NaN"]}]

    def aggregate(self, run_id: str, key: str, points: int = 1000) -> Json:
        self.asked.append(("aggregate", key))
        return {**EMPTY, "step": [1], "count": [9], "mean": [1.0], "min": [0.0], "max": ["Infinity"]}

    def files(self, run_id: str, prefix: str = "") -> list[Json]:
        return []

    def logs(
        self, run_id: str, cursor: str | None = None, rank: str | None = None, tail: int | None = None
    ) -> tuple[list[Json], str]:
        lines = [one for one in self.said if rank in (None, str(one["rank"]))]
        start = int(cursor) if cursor else max(0, len(lines) - (tail or len(lines)))
        return lines[start : start + LINES_MAX], str(min(len(lines), start + LINES_MAX))


def _or_raise(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def process(rank: int, state: str = "Running", **more: Any) -> Json:
    return {"rank": rank, "hostname": f"n{rank % 2}", "state": state, "exit": "", "role": "rank", "pid": 1, **more}


def metric(key: str, processes: int = 1, **more: Any) -> Json:
    row = {"key": key, "kind": "scalar", "count": 3, "processes": processes, "last": 0.5, "min": 0.1, "max": 2.0}
    return {**row, "mean": 1.0, **more}


def line(text: str, rank: int | None = 0) -> Json:
    return {"rank": rank, "stream": "stdout", "text": text}


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def run(told: Told) -> Run:
    return Run(None, "r1", source=told)
