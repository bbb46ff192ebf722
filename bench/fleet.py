"""Many agents on one machine, each a process as it would be on a node of its own.

`python -m bench.fleet HOST:PORT FOLDER COUNT` runs them until SIGTERM, lets them drain, and exits with 1 if one failed.
An agent is forked from a process that has imported it already, not started anew: what its start costs is not the
subject, and they share the memory of what they have in common, which makes room for hundreds. They have the lowest
priority, and few start at once: on nodes of their own they would take processor time neither from the collector nor
from each other.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Sequence

from bench.figures import say
from bench.pipelines import RUN, run_folder
from bench.processes import until
from ranklog_agent import app
from ranklog_agent.config import Config
from ranklog_agent.core.rules import Rule
from ranklog_agent.errors import AgentError

LOWEST_PRIORITY = 19
FIRST_UID = 400_000
NODES_PER_SUBNET = 250
AT_ONCE = 8
JOIN_TIMEOUT_S = 60.0


def node_folder(folder: str, number: int) -> str:
    """All that is a node's own."""
    return os.path.join(folder, f"node-{number:03}")


def watched_folder(folder: str, number: int) -> str:
    """What a node's agent mirrors."""
    return os.path.join(node_folder(folder, number), "watched")


def stream(number: int) -> str:
    """Name of a file in each watched folder. The first is there from the beginning."""
    return f"rank-{number}.log"


def address(number: int) -> str:
    """A node's IP, under which the collector keeps its files."""
    return f"10.0.{number // NODES_PER_SUBNET}.{number % NODES_PER_SUBNET + 1}"


def collected_folder(folder: str, number: int, count: int) -> str:
    """Where the collector keeps what a node's agent mirrors, once all are there."""
    return os.path.join(run_folder(folder), address(number) if count > 1 else "", "logs")


def main(arguments: Sequence[str]) -> int:
    """Run agents until SIGTERM."""
    collector, folder, count = arguments
    agents: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: _terminate(agents))
    os.nice(LOWEST_PRIORITY)
    for number in range(int(count)):
        if number >= AT_ONCE:
            _wait_for(os.path.join(collected_folder(folder, number - AT_ONCE, int(count)), stream(0)))
        agents.append(_fork(collector, folder, number))
    failed = sum(os.waitpid(pid, 0)[1] != 0 for pid in agents)
    if failed:
        say(f"{failed} of {count} agents failed")
    return int(failed > 0)


def _terminate(agents: Sequence[int]) -> None:
    for pid in agents:
        os.kill(pid, signal.SIGTERM)


def _wait_for(path: str) -> None:
    until(lambda: os.path.exists(path), f"{path} has arrived", JOIN_TIMEOUT_S)


def _fork(collector: str, folder: str, number: int) -> int:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = 1
        try:
            code = _live(collector, folder, number)
        finally:
            os._exit(code)
    return pid


def _live(collector: str, folder: str, number: int) -> int:
    """An agent's whole life; returns its exit code."""
    if os.geteuid() == 0:
        _count_as_user(FIRST_UID + number)
    config = Config(
        collector=collector,
        run_id=RUN,
        experiment="",
        spool=os.path.join(node_folder(folder, number), "spool"),
        node_id=f"node-{number:03}",
        hostname=f"node-{number:03}",
        node_ip=address(number),
        rules=[Rule(f"{watched_folder(folder, number)}/**")],
        stays=True,
    )
    try:
        asyncio.run(app.run(config, lambda text: say(f"{config.node_id}: {text}")))
    except (AgentError, OSError) as error:
        say(f"{config.node_id}: {error}")
        return 1
    return 0


def _count_as_user(uid: int) -> None:
    """The limits of inotify count per user, and 500 nodes have them 500 times. Files stay ours."""
    os.setresuid(0, uid, 0)
    ctypes.CDLL(None).setfsuid(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
