"""What ends an agent: the end of its job, or a signal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable

SAME_S = 1.0
"""A signal that comes again so soon was sent twice: Slurm does that at a time limit."""
LOOK_S = 0.1
"""How often it is looked whether processes have ended that were told to."""


class Ending:
    """Whatever comes first."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        """The job has ended."""
        self.stop = asyncio.Event()
        """A signal came; cleared by whoever has heeded it."""
        self._signalled_s: float | None = None

    def listen_to_signals(self) -> None:
        """From now on SIGTERM and SIGINT do not end this process, but are noted."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)

    async def wait(self, has_living: Callable[[], Awaitable[bool]], grace_s: float) -> None:
        """Wait until the job is over, or for a signal and then until nobody of the job lives, for `grace_s` at most.

        Who tells the agent to end has told the job as well, as a rule: how its processes end, and their last words, are
        about to come. A second signal ends the wait, and is left to be heeded.
        """
        first = asyncio.create_task(self.over.wait()), asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in first:
                task.cancel()
        self.stop.clear()
        deadline = time.monotonic() + grace_s
        while not self.over.is_set() and not self.stop.is_set() and time.monotonic() < deadline and await has_living():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.stop.wait(), LOOK_S)

    def _on_signal(self) -> None:
        now_s = time.monotonic()
        if self._signalled_s is None or now_s - self._signalled_s >= SAME_S:
            self._signalled_s = now_s
            self.stop.set()
