"""The agent of `ranklog run`: a child process, started again if it dies, and at the end told to deliver the rest."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO

from ranklog import spool
from ranklog_collector.launch.children import Child, Children
from ranklog_collector.launch.endings import Ending
from ranklog_collector.launch.errors import LaunchError

RESTARTS_MAX = 3
"""In a row: an agent that has lived for LIVED_S was in order."""
LIVED_S = 60.0
RESTART_S = 0.5
"""Before the first new start; each further one takes twice as long."""
READY_S = 15.0
"""How long an agent may take to start. Before it is ready, a signal would only kill it."""
READY_POLL_S = 0.02
LEAVE_S = 2.0
"""How long an agent that is to leave at once may take."""
OWN_WORDS = "agent "
"""Begins the lines in which an agent tells of its own life: those are in the run folder, and no news here."""


class Sidecar:
    """Keeps an agent alive until `finish`. `run` is its life; nothing that happens to the agent touches the job."""

    def __init__(
        self,
        children: Children,
        command: Sequence[str],
        environment: Mapping[str, str],
        announcement: str,
        say: Callable[[str], None],
        relay: int | None = None,
    ) -> None:
        self._relay = relay
        """The socket on which it answers MLflow's clients."""
        self._children = children
        self._command = command
        self._environment = environment
        self._announcement = announcement
        self._say = say
        self._child: Child | None = None
        self.has_failed = True
        """Whether the agent has not done its work to the end, so far."""
        self._is_finishing = asyncio.Event()

    async def run(self) -> None:
        """Start the agent, and again if it dies, until it has done its work or dies too often."""
        deaths = 0
        while True:
            began_s = time.monotonic()
            status = await self._live()
            self.has_failed = status != 0
            if status == 0 or (deaths and self._is_finishing.is_set()):
                return
            deaths = 1 if time.monotonic() - began_s > LIVED_S else deaths + 1
            words = "could not be started" if status is None else Ending(status).words
            if deaths > RESTARTS_MAX:
                self._say(f"the agent {words}; it is not started any more, the job goes on without it")
                self._refuse_clients()
                return
            self._say(f"the agent {words}; it is started again, the job is not affected")
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._is_finishing.wait(), RESTART_S * 2 ** (deaths - 1))

    async def finish(self, task: asyncio.Task[None], timeout_s: float, hurry: asyncio.Event) -> None:
        """Have everything delivered and `task`, which is `run`, end; with `hurry` or after the time at once."""
        self._is_finishing.set()
        rushing = asyncio.create_task(hurry.wait())
        await asyncio.wait([task, rushing], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        rushing.cancel()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not task.done() and self._child is not None:
                self._child.send(number)
                await asyncio.wait([task], timeout=LEAVE_S)
        task.cancel()
        await asyncio.wait([task])

    def _refuse_clients(self) -> None:
        """Let nobody wait for a relay that will never answer."""
        if self._relay is not None:
            with socket.socket(fileno=os.dup(self._relay)) as listening, suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)

    # ---- one agent --------------------------------------------------------------------------------------------------

    async def _live(self) -> int | None:
        """Start one agent and wait for its end; returns its wait status, None if it could not be started."""
        reader, transport, writing = await _pipe()
        try:
            self._child = self._children.start(
                self._command,
                self._environment,
                has_stdin=False,
                stdin=self._relay,
                output=writing.fileno(),
                is_apart=True,
            )
        except LaunchError as error:
            self._say(str(error))
            return None
        finally:
            writing.close()
        telling = asyncio.create_task(self._tell(reader))
        leaving = asyncio.create_task(self._send_home(self._child))
        try:
            return await self._child.ended
        finally:
            leaving.cancel()
            await asyncio.wait([telling], timeout=LEAVE_S)
            telling.cancel()
            transport.close()

    async def _send_home(self, child: Child) -> None:
        """When it is time, ask the agent to deliver what is left and to end."""
        await self._is_finishing.wait()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ready(child), READY_S)
        child.send(signal.SIGTERM)

    async def _ready(self, child: Child) -> None:
        while True:
            with suppress(OSError, spool.SpoolError), open(self._announcement, "rb") as file:
                if spool.parse_agent(file.read(spool.RECORD_BYTES_MAX)).pid == child.pid:
                    return
            await asyncio.sleep(READY_POLL_S)

    async def _tell(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            text = line.decode(errors="replace").rstrip()
            words = text.partition("ranklog agent: ")[2] or text
            if not words.startswith(OWN_WORDS):
                self._say(f"agent: {words}")


async def _pipe() -> tuple[asyncio.StreamReader, asyncio.BaseTransport, BinaryIO]:
    """Make a pipe whose one end is read on the event loop."""
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb"))
    return reader, transport, os.fdopen(writing, "wb")
