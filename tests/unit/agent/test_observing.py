"""Whatever becomes of a look at the node, shipping does not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import cast

import pytest

from ranklog_agent import observing
from ranklog_agent.core.usage import Present
from ranklog_agent.observer import Observer
from ranklog_agent.observing import Observing


class Eyes:
    """An observer whose looks do what a test wants."""

    def __init__(self, act: Callable[[], list[str]]) -> None:
        self.why_no_gpus: str | None = None
        self.looks = 0
        self._act = act

    def left_behind(self) -> list[str]:
        return ["0-1-1.jsonl"]

    def look(self, present: Present) -> list[str]:
        self.looks += 1
        return self._act()


class World:
    """What an observer's surroundings heard."""

    def __init__(self, act: Callable[[], list[str]]) -> None:
        self.eyes = Eyes(act)
        self.watched: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.has_looked = asyncio.Event()
        self.observing = Observing(cast(Observer, self.eyes), "/r", self._ask, self._watch, self._note)

    async def _ask(self) -> Present:
        return Present({})

    async def _watch(self, path: str, process: str) -> None:
        self.watched.append((path, process))
        if not process:
            self.has_looked.set()

    async def _note(self, text: str) -> None:
        self.notes.append(text)


def test_files_are_mirrored_also_those_of_an_earlier_agent() -> None:
    async def scenario() -> None:
        world = World(lambda: ["node.jsonl"])
        keeping = asyncio.create_task(world.observing.keep(1000))
        await world.has_looked.wait()
        await world.observing.finish()
        keeping.cancel()
        assert world.watched[:2] == [("/r/0-1-1.jsonl", "0-1-1"), ("/r/node.jsonl", "")]
        assert world.eyes.looks == 2

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_process_that_comes_is_looked_at_before_its_turn() -> None:
    async def scenario() -> None:
        world = World(lambda: ["node.jsonl"])
        keeping = asyncio.create_task(world.observing.keep(1000))
        for looks in (1, 2):
            await world.has_looked.wait()
            world.has_looked.clear()
            assert world.eyes.looks == looks
            world.observing.hurry()
        keeping.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_look_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "LAST_S", 0.01)
    hung, free = threading.Event(), threading.Event()

    def hang() -> list[str]:
        hung.set()
        free.wait(20)
        return []

    async def scenario() -> None:
        world = World(hang)
        keeping = asyncio.create_task(world.observing.keep(1000))
        assert await asyncio.to_thread(hung.wait, 10)
        await world.observing.finish()
        keeping.cancel()
        assert world.eyes.looks == 1

    asyncio.run(asyncio.wait_for(scenario(), 10))
    free.set()


def test_a_look_that_fails_is_told_once_and_ends_nothing() -> None:
    def fail() -> list[str]:
        raise ValueError("no such driver")

    async def scenario() -> None:
        world = World(fail)
        for _ in range(3):
            await world.observing.finish()
        assert world.eyes.looks == 3
        assert world.notes == ["not everything could be observed: ValueError('no such driver')"]

    asyncio.run(asyncio.wait_for(scenario(), 20))
