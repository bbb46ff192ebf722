"""Bringing a run home that this process has not started: that of a notebook, until there is an exit record."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from ranklog import spool
from ranklog_collector.app import Collector, serving
from ranklog_collector.config import Config
from ranklog_collector.errors import CollectorError
from ranklog_collector.launch.address import LOOPBACK, own_address
from ranklog_collector.launch.children import Children
from ranklog_collector.launch.errors import LaunchError
from ranklog_collector.launch.session import ENDED_S
from ranklog_collector.launch.sidecar import Sidecar
from ranklog_collector.launch.signals import Signals
from ranklog_collector.launch.summary import summarize
from ranklog_collector.reading.folder import RunFolder

POLL_S = 0.02
"""How often it is looked for the exit record."""
DRAIN_S = 60.0


@dataclass(frozen=True)
class Errand:
    """What is to be brought where."""

    run_id: str
    experiment: str
    spool: str
    key: str
    """The process whose exit record ends the run."""
    root: str
    collector: str | None
    """Where the agent ships to; None: to a collector in this process, which writes to `root`."""
    outputs: str | None
    changed_since_s: float

    def agent_command(self, address: str) -> list[str]:
        """The command of the agent."""
        command = [sys.executable, "-m", "ranklog", "agent", "--collector", address, "--run", self.run_id]
        command += ["--spool", self.spool, "--experiment", self.experiment]
        command += ["--changed-since", f"{self.changed_since_s:.3f}"]
        if self.collector is None:
            command += ["--node-ip", os.environ.get("RANKLOG_NODE_IP") or own_address()]
        return command + (["--outputs", os.path.join(self.outputs, "**")] if self.outputs else [])


async def keep(errand: Errand, environ: Mapping[str, str], say: Callable[[str], None]) -> bool:
    """Ship what the process writes until it has ended; False if not everything is where it belongs.

    Raises LaunchError if there can be no collector.
    """
    children, stop = Children(), asyncio.Event()
    with Signals((signal.SIGTERM, signal.SIGINT), lambda *_: stop.set(), children.reap) as signals:
        children.mask = signals.former_mask
        try:
            async with AsyncExitStack() as stack:
                collector, token = None, environ.get("RANKLOG_TOKEN")
                if errand.collector is None:
                    token = secrets.token_hex(16)
                    collector = await stack.enter_async_context(
                        serving(Config(errand.root, grpc=f"{LOOPBACK}:0", token=token))
                    )
                    await collector.runs.get(errand.run_id, errand.experiment)
                address = collector.address if collector else errand.collector or ""
                environment = {**environ, **({"RANKLOG_TOKEN": token} if token else {})}
                sidecar = _sidecar(children, errand.agent_command(address), environment, errand, say)
                await _ship(sidecar, errand, stop)
                if collector is not None:
                    return await _is_whole(collector, errand)
        except CollectorError as error:
            raise LaunchError(str(error)) from None
    return not sidecar.has_failed


def _sidecar(
    children: Children,
    command: Sequence[str],
    environment: Mapping[str, str],
    errand: Errand,
    say: Callable[[str], None],
) -> Sidecar:
    return Sidecar(children, command, environment, spool.agent_path(errand.spool, socket.gethostname()), say)


async def _ship(sidecar: Sidecar, errand: Errand, stop: asyncio.Event) -> None:
    """Have an agent until the run has ended, be it without a word, or until somebody asks to stop."""
    shipping = asyncio.create_task(sidecar.run())
    ending = asyncio.create_task(_ended(errand))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([shipping, ending, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.cancel()
        stopping.cancel()
        await asyncio.wait([ending, stopping])
        await sidecar.finish(shipping, DRAIN_S, asyncio.Event())


async def _ended(errand: Errand) -> None:
    """Wait for the exit record; the agent notices by itself if the process is gone without one."""
    path = spool.exit_path(errand.spool, errand.key)
    while not os.path.exists(path):  # noqa: ASYNC110 (another process writes it)
        await asyncio.sleep(POLL_S)


async def _is_whole(collector: Collector, errand: Errand) -> bool:
    """Wait for the run's end; a spool of which everything is in the run folder is removed."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(collector.wait_run_ended(errand.run_id), ENDED_S)
    run = await collector.runs.get(errand.run_id, errand.experiment)
    if not summarize(RunFolder(run.folder), errand.spool).is_complete:
        return False
    shutil.rmtree(errand.spool, ignore_errors=True)
    return True
