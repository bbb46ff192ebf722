"""Processes that are started here: with a clean signal mask, and waited for without a thread for each."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ranklog_collector.launch.errors import LaunchError


@dataclass(frozen=True)
class Child:
    """A process that was started here."""

    pid: int
    ended: asyncio.Future[int]
    """Its wait status, once it is gone."""

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if not self.ended.done():
            os.kill(self.pid, number)


class Children:
    """All of them. `reap` is to be called whenever a child may have ended."""

    def __init__(self) -> None:
        self.mask: Collection[int] = ()
        """The signals that are blocked in them."""
        self._living: dict[int, Child] = {}

    def start(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        has_stdin: bool = True,
        stdin: int | None = None,
        output: int | None = None,
        is_apart: bool = False,
    ) -> Child:
        """Start a program, looked up as a shell does. Raises LaunchError.

        `stdin` is what it has for stdin instead of ours, `output` where its stdout and stderr go instead of ours;
        `is_apart` keeps a terminal's signals from it.
        """
        actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = []
        if stdin is not None:
            actions.append((os.POSIX_SPAWN_DUP2, stdin, 0))
        elif not has_stdin:
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
        if output is not None:
            actions += [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
        try:
            pid = os.posix_spawnp(
                argv[0],
                list(argv),
                environment,
                file_actions=actions,
                setsid=is_apart,
                setsigmask=self.mask,
                # Python ignores these two for itself; a program expects what a shell would give it.
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        except OSError as error:
            raise LaunchError(f"cannot start {argv[0]}: {error.strerror}") from None
        child = Child(pid, asyncio.get_running_loop().create_future())
        self._living[pid] = child
        return child

    def reap(self) -> None:
        """Note who has ended."""
        for pid, child in list(self._living.items()):
            with suppress(ChildProcessError):
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    del self._living[pid]
                    child.ended.set_result(status)
