"""Jobs over several hosts: what tells that a command is one, how its nodes find the collector, and when all have come.

Each node's agent is started by `ranklog exec` there. On this host it is ours to start, which a lock says.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from ranklog.layout import SpoolError, agent_lock_path, prepare, safe_name
from ranklog_collector.ingest.run import Run
from ranklog_collector.launch.address import EVERYWHERE, LOOPBACK
from ranklog_collector.launch.known import HYDRA, HYDRA_OPTIONS, OPEN_MPI, SLURM, launcher_of, wrapping
from ranklog_collector.launch.options import UnknownOptionError, head_of

AUTO, NOBODY = "auto", "none"
COMING_S = 5.0
"""How long after the job's end the agents of other nodes may take to bring its ranks: they may just have started."""
POLL_S = 0.05

# Options and variables that name hosts.
OPEN_MPI_HOSTS = ("H", "host", "hostfile", "machinefile", "default-hostfile")
HYDRA_HOSTS = ("f", "host", "hosts", "hostlist", "hostfile", "machine", "machines", "machinefile")
HOST_FILES = (
    *("OMPI_MCA_orte_default_hostfile", "PRTE_MCA_prte_default_hostfile", "HYDRA_HOST_FILE"),
    *("PBS_NODEFILE", "PE_HOSTFILE", "LSB_DJOB_HOSTFILE"),
)
ALLOCATED = ("SLURM_JOB_NUM_NODES", "SLURM_NNODES")


def spans_hosts(argv: Sequence[str], version: str, environ: Mapping[str, str]) -> bool:
    """Tell whether a command may start processes on other hosts; `version` is what its launcher says of itself."""
    if any(environ.get(name) for name in HOST_FILES) or any(environ.get(name, "1") != "1" for name in ALLOCATED):
        return True
    words = argv[wrapping(argv) :]
    launcher = launcher_of(words, version)
    if launcher == HYDRA:
        with suppress(UnknownOptionError):
            return any(option in HYDRA_HOSTS for option in head_of(words[1:], HYDRA_OPTIONS).options)
    if launcher in (OPEN_MPI, HYDRA):
        options = {word.lstrip("-").partition("=")[0] for word in words if word.startswith("-")}
        return not options.isdisjoint(OPEN_MPI_HOSTS if launcher == OPEN_MPI else HYDRA_HOSTS)
    return launcher == SLURM


@dataclass(frozen=True)
class Nodes:
    """The hosts of one job."""

    run_id: str
    root: str
    spool: str
    hostname: str
    ip: str
    """Of this host."""
    are_several: bool
    """Whether other hosts may have processes of the job, and can reach this one."""

    @property
    def listen(self) -> str:
        """Where the collector listens."""
        return f"{EVERYWHERE if self.are_several else LOOPBACK}:0"

    def address(self, listening: str) -> str:
        """The collector's address for the job's processes, of that on which it listens."""
        return f"{self.ip if self.are_several else LOOPBACK}:{_port(listening)}"

    def local_address(self, listening: str) -> str:
        """The same for this host's agent."""
        return f"{LOOPBACK}:{_port(listening)}"

    @property
    def settings(self) -> dict[str, str]:
        """Variables by which `ranklog exec` on other hosts knows what to do."""
        if not self.are_several:
            return {"RANKLOG_AGENT": NOBODY}
        return {"RANKLOG_AGENT": AUTO, "RANKLOG_TOKEN_FILE": self._token_file}

    @contextmanager
    def prepared(self, token: str, say: Callable[[str], None]) -> Iterator[None]:
        """For the length of the block, let other nodes' agents in, and keep ranks from starting this one's."""
        with ExitStack() as stack:
            if self.are_several:
                try:
                    stack.callback(os.close, self._lock())
                    self._write(token)
                    stack.callback(os.unlink, self._token_file)
                except (OSError, SpoolError) as error:
                    say(f"what ranks on other hosts say may not come home: {error}")
            yield

    async def bring(self, run: Run) -> None:
        """After the job's end, wait a little for all its ranks to be known."""
        if self.are_several:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(_all_known(run), COMING_S)

    @property
    def _token_file(self) -> str:
        """Seen by all nodes, as a rule: where run folders are kept."""
        return os.path.join(self.root, f".token-{safe_name(self.run_id)}")

    def _lock(self) -> int:
        prepare(self.spool, "agents")
        lock = os.open(agent_lock_path(self.spool, self.hostname), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock

    def _write(self, token: str) -> None:
        with open(os.open(self._token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(token)


def _port(address: str) -> str:
    return address.rpartition(":")[2]


async def _all_known(run: Run) -> None:
    while not run.has_all_processes:  # noqa: ASYNC110 (agents tell)
        await asyncio.sleep(POLL_S)
