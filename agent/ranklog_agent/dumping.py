"""Answers requests for stacks: looks at this node's processes and writes lines into a file that is mirrored."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ranklog.layout import handlers_folder
from ranklog_agent.core.stacks import DumpRequest, Result, descendants, last_line, line
from ranklog_agent.io import procfs, stacks
from ranklog_agent.io.jobs import Living
from ranklog_agent.mirror import Mirror
from ranklog_agent.observing import apart

FILE = "stacks.jsonl"
WAITING_MAX = 16
"""Requests that may wait for their turn; further ones are not answered."""
PARALLEL = min(4, os.cpu_count() or 1)
"""How many processes are looked at at a time: the job's own need the processors, too."""
CHILDREN_MAX = 16
"""Of one process of the job."""
COMMAND_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class _Target:
    """A process to look at; `parent` is None for the one that speaks for a process of the job."""

    living: Living
    pid: int
    parent: int | None = None


class Dumping:
    """Looks when it is asked to. `keep` is its life.

    The answers are in a file of the agent's own `folder`; `in_mirror` calls a function in the mirror's thread.
    """

    def __init__(
        self,
        spool: str,
        folder: str,
        mirror: Mirror,
        in_mirror: Callable[..., Awaitable[Any]],
        complain: Callable[[str], None],
    ) -> None:
        self._path = os.path.join(folder, FILE)
        self._handlers = handlers_folder(spool)
        self._mirror = mirror
        self._in_mirror = in_mirror
        self._complain = complain
        self._has_complained = False
        self._waiting: asyncio.Queue[DumpRequest] = asyncio.Queue(WAITING_MAX)

    def take(self, request: DumpRequest) -> None:
        """Answer this as soon as those before it are answered."""
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(request)

    async def keep(self) -> None:
        """Answer one request after the other."""
        if os.path.exists(self._path):
            await self._ship()  # what an earlier agent has left must be mirrored to its end
        while True:
            await self._answer(await self._waiting.get())

    async def _answer(self, request: DumpRequest) -> None:
        present: list[Living] = await self._in_mirror(self._mirror.living)
        meant = [one for one in present if not request.processes or one.key in request.processes]
        targets = await apart(partial(_targets, meant, present))
        gate = asyncio.Semaphore(PARALLEL)

        async def look(target: _Target) -> None:
            async with gate:
                manner = stacks.Manner(request.is_native, request.is_gentle, request.timeout_s)
                self._write(await apart(partial(_look, request.request, target, manner, self._handlers)))
                await self._ship()

        # Children come last: there may be many, and whoever asks wants to know where the ranks are.
        for are_children in (False, True):
            await asyncio.gather(*(look(one) for one in targets if (one.parent is not None) is are_children))
        self._write(last_line(request.request, time.time_ns(), len(meant)))
        await self._ship()

    async def _ship(self) -> None:
        await self._in_mirror(self._mirror.watch, self._path, "stacks")

    def _write(self, data: bytes) -> None:
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(file, data)
            finally:
                os.close(file)
        except OSError as error:
            if not self._has_complained:
                self._has_complained = True
                self._complain(f"cannot write stacks to {self._path}: {error.strerror}")


def _targets(meant: Iterable[Living], present: Iterable[Living]) -> list[_Target]:
    """Find who speaks for each process of the job, which may be a shell around it, and what it has started."""
    parents = procfs.parents()
    ours = {pid for one in present for pid in one.pids}
    found = []
    for one in meant:
        family = descendants(one.pid, parents, frozenset(ours - {one.pid}))
        pythons = [pid for pid in family if stacks.is_python(pid) and not stacks.is_helper(pid)]
        main = pythons[0] if pythons else _inside(family, parents)
        found.append(_Target(one, main))
        found += [_Target(one, pid, main) for pid in pythons[1 : CHILDREN_MAX + 1]]
    return found


def _inside(family: list[int], parents: dict[int, int]) -> int:
    """Find the program that shells and the like stand around."""
    pid = family[0]
    while stacks.is_wrapper(pid):
        below = [child for child in family if parents.get(child) == pid]
        if not below:
            break
        pid = below[0]
    return pid


def _look(request: str, target: _Target, manner: stacks.Manner, handlers: str) -> bytes:
    living, pid = target.living, target.pid
    is_gone = living.ticks is None or procfs.start_ticks(living.pid) != living.ticks
    about: dict[str, object] = {"process": living.key, "rank": living.rank, "pid": pid}
    if target.parent is not None:
        about["parent"] = target.parent
    about["command"] = " ".join(procfs.command(pid))[:COMMAND_CHARACTERS_MAX]
    about["state"] = stacks.state(pid)
    result = Result(error="it has ended meanwhile") if is_gone else stacks.look(pid, manner, handlers)
    return line(request, time.time_ns(), about, result)
