"""Has the observer look now and then, in threads of its own: a driver that hangs must not hold up what is shipped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ranklog_agent.core.usage import SHORTEST_S, Present
from ranklog_agent.observer import Observer, process_of

SHARE = 0.005
"""Observing may take this share of the time; on a node with very many processes it is done less often."""
LAST_S = 2.0
"""How long the last sample may take."""

T = TypeVar("T")


class Observing:
    """Observes until `finish`. `ask` tells who is present, `watch(path, process)` has a file mirrored."""

    def __init__(
        self,
        observer: Observer,
        folder: str,
        ask: Callable[[], Awaitable[Present]],
        watch: Callable[[str, str], Awaitable[None]],
        note: Callable[[str], Awaitable[None]],
    ) -> None:
        self._observer = observer
        self._folder = folder
        self._ask = ask
        self._watch = watch
        self._note = note
        self._looking = asyncio.Lock()
        self._hurried = asyncio.Event()
        self._has_finished = False
        self._noted: set[str] = set()

    async def keep(self, sample_s: float) -> None:
        """Look every so many seconds, but no more often than it makes sense."""
        await self._watch_all(self._observer.left_behind())
        while not self._has_finished:
            began_s = time.monotonic()
            async with self._looking:
                cost_s = 0.0 if self._has_finished else await self._look()
            elapsed_s = time.monotonic() - began_s
            pause_s = max(SHORTEST_S - elapsed_s, cost_s / SHARE)
            await asyncio.sleep(pause_s)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), max(0.0, sample_s - elapsed_s - pause_s))
            self._hurried.clear()

    def hurry(self) -> None:
        """A process has come: look soon, it may not stay for long."""
        self._hurried.set()

    async def finish(self) -> None:
        """Take the last sample; after this nothing is written any more."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._look_for_the_last_time(), LAST_S)

    async def _look_for_the_last_time(self) -> None:
        async with self._looking:
            self._has_finished = True
            await self._look()

    async def _look(self) -> float:
        """Returns the CPU time it took in s."""
        present = await self._ask()

        def look() -> tuple[list[str], float]:
            began_s = time.thread_time()
            return self._observer.look(present), time.thread_time() - began_s

        try:
            files, cost_s = await apart(look)
        except Exception as error:  # noqa: BLE001 (whatever a driver or /proc comes up with, shipping goes on)
            await self._note_once(f"not everything could be observed: {error!r}")
            return 0.0
        await self._watch_all(files)
        if self._observer.why_no_gpus is not None:
            await self._note_once(f"GPUs are not observed: {self._observer.why_no_gpus}")
        return cost_s

    async def _note_once(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            await self._note(text)

    async def _watch_all(self, names: list[str]) -> None:
        for name in names:
            await self._watch(os.path.join(self._folder, name), process_of(name))


async def apart(function: Callable[[], T]) -> T:
    """Call a function in a thread for which nobody waits should it hang, not even the end of the program."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(settle_it: Callable[[], None]) -> None:
        if not answer.done():
            settle_it()

    def call() -> None:
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 (it is raised where it was asked for)
            told = error
            tell(lambda: answer.set_exception(told))
        else:
            tell(lambda: answer.set_result(result))

    def tell(settle_it: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be gone by now
            loop.call_soon_threadsafe(settle, settle_it)

    threading.Thread(target=call, name="observer", daemon=True).start()
    return await answer
