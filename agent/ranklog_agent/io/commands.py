"""Shell commands around the job."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

GRACE_S = 5.0
"""How long a command has to end after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code as a shell tells it, and after how many seconds."""

    code: int
    took_s: float

    def __str__(self) -> str:
        """For people."""
        return f"exit code {self.code} after {self.took_s:.1f} s"


async def run(command: str, output: str, stop: asyncio.Event) -> Ended:
    """Run a command in a shell, its output appended to a file if that can be written; `stop` makes it end early."""
    began = monotonic()
    with _opened(output) as file:
        process = await asyncio.create_subprocess_shell(
            command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    ending, stopping = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            _signal(process.pid, signal.SIGTERM)
            await asyncio.wait({ending}, timeout=GRACE_S)
    finally:
        stopping.cancel()
        if not ending.done():
            _signal(process.pid, signal.SIGKILL)
    code = await ending
    return Ended(128 - code if code < 0 else code, monotonic() - began)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        file = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
