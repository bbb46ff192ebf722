"""The sealing process seen from the collector that owns it: started when there is something to seal, ended with it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import orjson

from ranklog_collector.core.backlog import Backlog, Collected

COMMAND = "import sys; del sys.path[0]; from ranklog_collector.series.sealer import main; main()"
"""The working folder, which Python would search first, may have anything in it."""
LOOK_S = 1.0
RESTART_S, RESTART_S_MAX = 1.0, 60.0
"""Before a new start; each further one takes twice as long."""
LIVED_S = 60.0
"""A process that has lived so long was in order."""
IDLE_S = 60.0
"""After so long without work the process is let go: the memory that it has is not the collector's to keep."""
LEAVE_S = 5.0
"""How long it may go on with what it has begun; what it does not finish, nobody misses."""

log = logging.getLogger("ranklog.collector")


@asynccontextmanager
async def sealing(points: Callable[[], Mapping[str, Collected]]) -> AsyncIterator[None]:
    """Have points sealed for the length of the block; `points` tells of the open runs, by folder, what has come."""
    owner = _Owner(points)
    task = asyncio.create_task(owner.run())
    try:
        yield
    finally:
        owner.stopping.set()
        await task


class _Owner:
    """Owns the process; `run` is its life."""

    def __init__(self, points: Callable[[], Mapping[str, Collected]]) -> None:
        self.stopping = asyncio.Event()
        self._points = points
        self._backlog = Backlog()
        self._process: Process | None = None
        self._telling: asyncio.Task[None] | None = None
        self._pause_s = RESTART_S
        self._began_s = self._earliest_s = self._asked_s = 0.0

    async def run(self) -> None:
        """Look again and again whether there is something to seal, and say so to the process."""
        try:
            while not self.stopping.is_set():
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.stopping.wait(), LOOK_S)
                self._look_after()
                if self._is_leaving() or (self._process is None and time.monotonic() < self._earliest_s):
                    continue
                for folder in self._backlog.due(self._points()):
                    await self._ask(folder)
        finally:
            await self._end()

    def _is_leaving(self) -> bool:
        """Whether the process has been told that there is nothing more, which it is when there was nothing for long."""
        process = self._process
        if process is None or process.stdin is None:
            return False
        if time.monotonic() - self._asked_s > IDLE_S:
            process.stdin.close()
        return process.stdin.is_closing()

    def _look_after(self) -> None:
        """If the process has died, what it was asked to do is to be asked for again."""
        process = self._process
        if process is None or process.returncode is None:
            return
        self._process = None
        code, now_s = process.returncode, time.monotonic()
        if not code:
            return
        self._pause_s = RESTART_S if now_s - self._began_s > LIVED_S else min(2 * self._pause_s, RESTART_S_MAX)
        self._earliest_s = now_s + self._pause_s
        words = f"ended with {signal.Signals(-code).name if code < 0 else code}"
        log.warning("the sealing process %s; it is started again after %.1f s", words, self._pause_s)
        self._backlog.forget()

    async def _ask(self, folder: str) -> None:
        if self._process is None and not self.stopping.is_set():
            await self._start()
        if self._process is None:
            self._backlog.forget()
            return
        assert self._process.stdin is not None
        self._asked_s = time.monotonic()
        with suppress(ConnectionError):  # it is looked after the next time
            self._process.stdin.write(orjson.dumps(folder, option=orjson.OPT_APPEND_NEWLINE))
            await self._process.stdin.drain()

    async def _start(self) -> None:
        self._began_s = time.monotonic()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", COMMAND, str(os.getpid())),
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self._earliest_s = self._began_s + RESTART_S_MAX
            log.warning("the sealing process could not be started: %s", error.strerror)
            return
        self._telling = asyncio.create_task(_tell(self._process))

    async def _end(self) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), LEAVE_S)
            except asyncio.TimeoutError:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._telling is not None:
            await self._telling


async def _tell(process: Process) -> None:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        log.warning("sealing: %s", line.decode(errors="replace").rstrip())
