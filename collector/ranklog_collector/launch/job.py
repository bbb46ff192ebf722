"""The user's processes: one command, or several processes of it that share a fate."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ranklog_collector.launch import family
from ranklog_collector.launch.children import Child, Children
from ranklog_collector.launch.endings import Ending

TERMINATE_S = 1.0
"""After one process has failed: how long the others may still say what they think of it, before they get SIGTERM."""
KILL_S = 10.0
"""After SIGTERM: how long they may take to save what they have."""
KILLING_S = 5.0
"""How long killing may take in all."""
SPARING_S = 2.0
"""How long each `ranklog exec` is spared when its process is killed, so that it can say how that ended."""
SETTLE_S = 5.0
"""How long ranks may outlive their launcher before they are not waited for any longer."""
POLL_S = 0.05


@dataclass(frozen=True)
class Command:
    """What to start, and the environment that it starts with."""

    argv: Sequence[str]
    environment: Mapping[str, str]


@dataclass
class Job:
    """The processes of one run. `start` first; then `wait` is its life."""

    children: Children
    run_id: str
    spool: str
    hostname: str
    say: Callable[[str], None]
    ends_together: bool
    """Whether all are ended when one has failed."""
    _processes: list[Child] = field(default_factory=list)
    _are_asked: bool = False
    _killing: asyncio.Task[None] | None = None

    def start(self, commands: Sequence[Command]) -> None:
        """Start all; stdin goes to the first. Raises LaunchError, and then none is left."""
        try:
            for command in commands:
                has_stdin = not self._processes
                self._processes.append(self.children.start(command.argv, command.environment, has_stdin=has_stdin))
        except BaseException:
            self.send(signal.SIGKILL)
            raise

    async def wait(self) -> list[Ending]:
        """Wait until all have ended; returns how, in the order in which they did."""
        endings: list[Ending] = []
        ending_others: asyncio.Task[None] | None = None
        waiting = {child.ended for child in self._processes}
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            endings += [
                Ending(child.ended.result(), self._are_asked, rank)
                for rank, child in enumerate(self._processes)
                if child.ended in done
            ]
            failed = next((ending for ending in endings if ending.has_failed), None)
            if failed is not None and waiting and self.ends_together and ending_others is None:
                ending_others = asyncio.create_task(self._end_others(failed))
        if ending_others is not None:
            ending_others.cancel()
            await asyncio.wait([ending_others])
        if self._killing is not None:
            await self._killing
        return endings

    async def settle(self, hurry: asyncio.Event) -> None:
        """Wait a little for ranks that have outlived their launcher, so that their last words are heard."""
        until_s = time.monotonic() + SETTLE_S
        while left := family.keepers(self.spool, self.hostname):
            if hurry.is_set() or time.monotonic() > until_s:
                pids = ", ".join(str(pid) for pid in sorted(left.values()))
                self.say(f"{len(left)} processes have outlived the job (under pids {pids}); they are left alone")
                return
            await asyncio.sleep(POLL_S)

    def send(self, number: int) -> None:
        """Send a signal to every process that was started here; each passes it on to its own."""
        for child in self._processes:
            child.send(number)

    def kill(self) -> None:
        """End everything that belongs to the run on this machine."""
        if self._killing is None:
            self._killing = asyncio.create_task(self._kill())

    async def _kill(self) -> None:
        began_s = time.monotonic()
        while (left := family.members(self.run_id)) and time.monotonic() < began_s + KILLING_S:
            spared: set[int] = set()
            if time.monotonic() < began_s + SPARING_S:
                spared = {child.pid for child in self._processes} | set(
                    family.keepers(self.spool, self.hostname).values()
                )
            family.kill(left - spared)
            await asyncio.sleep(POLL_S)

    async def _end_others(self, failed: Ending) -> None:
        await asyncio.sleep(TERMINATE_S)
        self.say(f"rank {failed.rank} {failed.words}: the others are ended (--no-kill lets them run on)")
        self._are_asked = True
        self.send(signal.SIGTERM)
        await asyncio.sleep(KILL_S)
        self.kill()
