"""The collector's side of sealing: when its process lives."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ranklog_collector.core.backlog import SEAL_BYTES, Collected
from ranklog_collector.series import sealing as module
from ranklog_collector.series.sealing import sealing

PATIENCE_S = 30.0


def sealers() -> set[int]:
    """Our children that seal."""
    found = set()
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if b"sealer" in Path(f"/proc/{pid}/cmdline").read_bytes():
            found.add(int(pid))
    return found


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.02)


def test_there_is_no_process_without_work_and_none_afterwards() -> None:
    async def live() -> None:
        runs: dict[str, Collected] = {}
        looks = 0

        def points() -> dict[str, Collected]:
            nonlocal looks
            looks += 1
            return runs

        async with sealing(points):
            await until(lambda: looks > 3)
            assert not sealers()
            runs["/nowhere"] = Collected({1: SEAL_BYTES}, is_ended=False)
            await until(lambda: len(sealers()) == 1)
        assert not sealers()

    asyncio.run(live())


def test_a_process_without_work_is_let_go_and_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def live() -> None:
        runs = {"/nowhere": Collected({1: SEAL_BYTES}, is_ended=False)}
        async with sealing(lambda: runs):
            await until(lambda: len(sealers()) == 1)
            await until(lambda: not sealers())
            runs["/nowhere"] = Collected({1: 2 * SEAL_BYTES}, is_ended=False)
            await until(lambda: len(sealers()) == 1)

    monkeypatch.setattr(module, "IDLE_S", 0.1)
    asyncio.run(live())
