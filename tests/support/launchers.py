"""The launchers that the tests use for real: how each is told to start ranks of a program on simulated hosts."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from tests.support.hosts import REPOSITORY, SUBNET, HostProcess, Hosts
from tests.support.slurm import Slurm

VENVS = REPOSITORY / ".venv-launchers"
# Open MPI does not end when a host is gone and it is told to: hence the second, unkind signal.
KILL_AFTER_S = 2
RENDEZVOUS_PORT = 29400


@dataclass(frozen=True)
class HostCommand:
    """One command of a job, to be started on one host."""

    host: int
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


class Launcher(Protocol):
    """Starts ranks; `per_host` says how many on each host, and ranks are numbered in that order."""

    @property
    def name(self) -> str:
        """As in the test's parameter."""

    @property
    def program(self) -> Path:
        """What is started."""

    @property
    def mpicc(self) -> str | None:
        """Compiler of its MPI, if it has one."""

    def commands(self, hosts: Hosts, program: Sequence[str], per_host: Sequence[int]) -> list[HostCommand]:
        """Give the commands that make up the job; the first one's end is the job's."""


def bounded(commands: Sequence[HostCommand], timeout_s: float) -> list[HostCommand]:
    """The same job, each of whose commands is bounded in time."""
    bound = ("timeout", "-k", str(KILL_AFTER_S), str(timeout_s))
    return [replace(command, argv=(*bound, *command.argv)) for command in commands]


def start(hosts: Hosts, commands: Sequence[HostCommand], timeout_s: float = 60, **options: Any) -> list[HostProcess]:
    """Start all commands of a job, each bounded in time."""
    bound = bounded(commands, timeout_s)
    return [hosts.popen(command.host, *command.argv, env=command.env, **options) for command in bound]


def run(hosts: Hosts, commands: Sequence[HostCommand], timeout_s: float = 60) -> list[subprocess.CompletedProcess[str]]:
    """Run a job to its end and return what its commands said."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    results = []
    for process in start(hosts, commands, timeout_s, **pipes):
        with process:
            out, err = process.communicate()
        results.append(subprocess.CompletedProcess(process.args, process.returncode, out.decode(), err.decode()))
    return results


@dataclass(frozen=True)
class OpenMPI4:
    """Debian's."""

    name: str = "openmpi4"
    program: Path = Path("/usr/bin/mpirun.openmpi")
    mpicc: str | None = "mpicc.openmpi"

    def commands(self, hosts: Hosts, program: Sequence[str], per_host: Sequence[int]) -> list[HostCommand]:
        environment = {
            **OMPI_AS_ROOT,
            "OMPI_MCA_plm_rsh_agent": str(hosts.ssh),
            "OMPI_MCA_oob_tcp_if_include": f"{SUBNET}.0/24",
            "OMPI_MCA_btl_tcp_if_include": f"{SUBNET}.0/24",
            "OMPI_MCA_btl": "tcp,self,vader",
            "OMPI_MCA_pml": "ob1",
        }
        argv = (str(self.program), "--host", _slots(hosts, per_host), "-np", str(sum(per_host)), *program)
        return [HostCommand(0, argv, environment)]


@dataclass(frozen=True)
class OpenMPI5:
    """From the Python index; its runtime is PRRTE."""

    name: str = "openmpi5"
    program: Path = VENVS / "openmpi5" / "bin" / "mpirun"
    mpicc: str | None = str(VENVS / "openmpi5" / "bin" / "mpicc")

    def commands(self, hosts: Hosts, program: Sequence[str], per_host: Sequence[int]) -> list[HostCommand]:
        environment = {
            **OMPI_AS_ROOT,
            "PRTE_MCA_plm_ssh_agent": str(hosts.ssh),
            "PRTE_MCA_prte_if_include": f"{SUBNET}.0/24",
            "OMPI_MCA_btl_tcp_if_include": f"{SUBNET}.0/24",
            "OMPI_MCA_btl": "tcp,self,sm",
            "OMPI_MCA_pml": "ob1",
        }
        argv = (str(self.program), "--host", _slots(hosts, per_host), "-np", str(sum(per_host)), *program)
        return [HostCommand(0, argv, environment)]


@dataclass(frozen=True)
class MPICH5:
    """From the Python index."""

    name: str = "mpich5"
    program: Path = VENVS / "mpich5" / "bin" / "mpirun"
    mpicc: str | None = str(VENVS / "mpich5" / "bin" / "mpicc")

    def commands(self, hosts: Hosts, program: Sequence[str], per_host: Sequence[int]) -> list[HostCommand]:
        remote = ("-launcher", "ssh", "-launcher-exec", str(hosts.ssh), "-hosts", _slots(hosts, per_host))
        return [HostCommand(0, (str(self.program), *remote, "-np", str(sum(per_host)), *program))]


@dataclass(frozen=True)
class MPICH4:
    """Debian's, on host 0 only: over several hosts it hangs in MPI_Finalize more often than not."""

    name: str = "mpich4"
    program: Path = Path("/usr/bin/mpiexec.mpich")
    mpicc: str | None = "mpicc.mpich"

    def commands(self, hosts: Hosts, program: Sequence[str], per_host: Sequence[int]) -> list[HostCommand]:
        return [HostCommand(0, (str(self.program), "-launcher", "fork", "-np", str(sum(per_host)), *program))]


@dataclass(frozen=True)
class Srun:
    """A step that is its own job in Slurm."""

    slurm: Slurm | None = None
    name: str = "slurm"
    program: Path = Path("/usr/bin/srun")
    mpicc: str | None = None

    def commands(self, hosts: Hosts, program: Sequence[str], per_host: Sequence[int]) -> list[HostCommand]:
        assert self.slurm is not None, "srun needs a Slurm to talk to"
        placed = [name for name, ranks in zip(hosts.names, per_host, strict=False) for _ in range(ranks)]
        where = ("--distribution=arbitrary", f"--nodelist={','.join(placed)}", f"--ntasks={len(placed)}")
        return [HostCommand(0, (str(self.program), *where, *program), self.slurm.environment)]


@dataclass(frozen=True)
class Torchrun:
    """One agent a host, which meet at host 0. A program that is not a Python script is started as it is."""

    name: str = "torchrun"
    program: Path = VENVS / "torch" / "bin" / "torchrun"
    mpicc: str | None = None

    def commands(self, hosts: Hosts, program: Sequence[str], per_host: Sequence[int]) -> list[HostCommand]:
        used = [(host, ranks) for host, ranks in enumerate(per_host) if ranks]
        meeting = (
            f"--nnodes={len(used)}",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={hosts.ip(used[0][0])}:{RENDEZVOUS_PORT}",
            "--rdzv-id=job",
        )
        as_it_is = () if program[0].endswith(".py") else ("--no-python",)
        environment = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "eth0"}
        return [
            HostCommand(
                host, (str(self.program), *meeting, f"--nproc-per-node={ranks}", *as_it_is, *program), environment
            )
            for host, ranks in used
        ]


OMPI_AS_ROOT = {
    f"{prefix}_ALLOW_RUN_AS_ROOT{suffix}": "1" for prefix in ("OMPI", "PRTE") for suffix in ("", "_CONFIRM")
}


def why_missing(launcher: Launcher) -> str | None:
    """Say what a launcher lacks to be started here, or None."""
    if shutil.which(launcher.program) is None:
        return f"{launcher.program} is missing: run script/install-test-programs"
    return None


def _slots(hosts: Hosts, per_host: Sequence[int]) -> str:
    return ",".join(f"{name}:{ranks}" for name, ranks in zip(hosts.names, per_host, strict=False) if ranks)
