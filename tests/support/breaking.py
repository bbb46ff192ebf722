"""Jobs that break: any launcher, any failure, any rank, and what the verdict on each is.

Two hosts with two ranks each. In each step the ranks meet at a barrier, so one that breaks takes the others with it.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from ranklog_collector.core.verdict.finding import Verdict
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.verdict import judge
from tests.support import launchers, programs
from tests.support.cluster import PATIENCE_S, RANKLOG, Cluster, Run, captured, wait_until
from tests.support.hosts import HostProcess, Hosts
from tests.support.launchers import HostCommand, Launcher
from tests.support.slurm import Slurm

PER_HOST = (2, 2)
RANKS = range(sum(PER_HOST))
LOCAL = "local"
LAUNCHERS = ("openmpi4", "openmpi5", "mpich5", "slurm", "torchrun", LOCAL)
FAILURES = {
    "exception": ("exception",),
    "abort": ("crash",),
    "segfault": ("crash",),
    "kill": ("killed",),
    "memory": ("out-of-memory",),
    "mpi_abort": ("mpi-abort",),
    "exit3": ("exit-code",),
    "early_exit": ("early-exit",),
    "import": ("import",),
    "disk_full": ("disk-full",),
    "survived": ("exit-code",),
    "noise": ("exit-code",),
    "own_words": ("killed",),
    "own_words_early": ("early-exit",),
    "stopped": ("hang",),
    "hang": ("hang",),
    "cut_off": ("node-lost",),
}
"""What a verdict may call each."""
LIVING = ("hang", "stopped", "cut_off")
"""Of these the job knows nothing: it goes on."""
CUT_OFF = 1
CGROUPS = Path("/sys/fs/cgroup/memory")
MEMORY = "96M"
VERDICT_S = 40.0
"""How long a verdict on a job that goes on is waited for."""


def why_not(name: str) -> str | None:
    """Say why a launcher cannot be used here, or None if it can."""
    return None if name == LOCAL else launchers.why_missing(_launcher(name, None))


def why_no_memory_limit() -> str | None:
    """Say why no process can be run out of memory here, or None if it can."""
    try:
        with _cgroup():
            return None
    except OSError as error:
        return f"no cgroup can be made that limits memory: {error}"


@dataclass(frozen=True)
class Truth:
    """What was done to a job."""

    rank: int | None
    """None if it was its node."""
    node: str
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Broken:
    """A job that has been broken, and what the verdict on it says."""

    path: Path
    truth: Truth
    verdict: Verdict

    @property
    def folder(self) -> RunFolder:
        """The run folder as it is now."""
        return RunFolder(str(self.path))


class Breaker:
    """Breaks jobs of one launcher, one after the other, on two hosts."""

    def __init__(self, hosts: Hosts, folder: Path, launcher: str) -> None:
        self.launcher = launcher
        self._hosts, self._folder = hosts, folder
        self._stack = ExitStack()
        self._numbers = itertools.count()

    def __enter__(self) -> Breaker:
        with self._stack:
            self._slurm = self._stack.enter_context(Slurm(self._hosts)) if self.launcher == "slurm" else None
            if self.launcher != LOCAL:
                self._cluster = self._stack.enter_context(Cluster(self._hosts, self._folder))
                self._start = _launcher(self.launcher, self._slurm)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def can(self, failure: str, rank: int) -> bool:
        """Whether a rank can break so under this launcher, and this machine allows it."""
        if failure == "mpi_abort":
            return self.launcher != LOCAL and self._start.mpicc is not None
        if failure == "cut_off":
            return self.launcher != LOCAL and self._host_of(rank) == CUT_OFF
        return failure != "memory" or why_no_memory_limit() is None

    @contextmanager
    def broken(self, failure: str, rank: int) -> Iterator[Broken]:
        """Break a job; if it goes on nevertheless, it does so until the end of the block."""
        run_id = f"{failure}-{rank}-{next(self._numbers)}"
        node = self._hosts.names[self._host_of(rank)]
        truth = Truth(None if failure == "cut_off" else rank, node, FAILURES[failure])
        with ExitStack() as stack:
            program = [*programs.script("broken.py"), failure, str(rank), str(self._folder / f"meeting-{run_id}")]
            if failure == "cut_off":
                program.append("1000000")
            if failure == "mpi_abort":
                assert self._start.mpicc is not None
                program = [str(programs.compiled("rankc", self._start.mpicc)), "abort", str(rank)]
            limited = []
            if failure == "memory":
                limited = [*programs.script("limited.sh"), str(rank), str(stack.enter_context(_cgroup()))]
            play = self._locally if self.launcher == LOCAL else self._over_hosts
            path, verdict = stack.enter_context(play(run_id, failure, limited, program))
            yield Broken(path, truth, verdict)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _host_of(self, rank: int) -> int:
        return 0 if self.launcher == LOCAL or rank < PER_HOST[0] else 1

    @contextmanager
    def _over_hosts(
        self, run_id: str, failure: str, limited: Sequence[str], program: Sequence[str]
    ) -> Iterator[tuple[Path, Verdict]]:
        """With a collector, an agent on each host, and everything under `ranklog exec`, the launcher too."""
        commands = self._start.commands(self._hosts, [*limited, *captured(program)], PER_HOST)
        with Run(self._cluster, range(len(PER_HOST)), run_id=run_id) as run:
            jobs = run.start([replace(one, argv=tuple(captured(one.argv))) for one in commands])
            if failure not in LIVING:
                for job in jobs:
                    job.wait()
                run.await_end()
                yield run.path, judge(run.folder)
                return
            if failure == "cut_off":
                wait_until(lambda: _all_speak(run), "all ranks speak")
                self._hosts.link_down(CUT_OFF)
            try:
                if failure == "cut_off":
                    wait_until(lambda: run.state.node(self._hosts.names[CUT_OFF]).event == "lost", "the host is lost")
                yield run.path, _accusation(run.path)
            finally:
                self._hosts.link_up(CUT_OFF)
                self._clear(jobs, program)

    @contextmanager
    def _locally(
        self, run_id: str, failure: str, limited: Sequence[str], program: Sequence[str]
    ) -> Iterator[tuple[Path, Verdict]]:
        """By `ranklog run -n` on one host."""
        root = self._folder / "runs"
        words = [RANKLOG, "run", "-n", str(len(RANKS)), "--run", run_id, "--root", str(root), "--no-watch", "--"]
        if limited:  # the limit is for `ranklog exec` as well, as that of a container is
            words += [*limited, *captured(program)]
        else:
            words += program
        (command,) = launchers.bounded([HostCommand(0, tuple(words))], PATIENCE_S)
        with (self._folder / f"console-{run_id}").open("wb") as console:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": console, "stderr": console}
            job = self._hosts.popen(0, *command.argv, cwd=self._folder, **pipes)
        path = root / "default" / run_id
        try:
            if failure not in LIVING:
                job.wait()
            yield path, _accusation(path) if failure in LIVING else judge(RunFolder(str(path)))
        finally:
            self._clear([job], program)

    def _clear(self, jobs: Sequence[HostProcess], program: Sequence[str]) -> None:
        """Leave nothing of a job, so that the next one finds free hosts."""
        if self._slurm is not None:
            self._hosts.run(0, "scancel", "--user=root", env=self._slurm.environment, check=False)
        for job in jobs:
            job.send_signal(signal.SIGTERM)  # `timeout` gives its command a little time, and kills it
        for host in range(len(PER_HOST)):
            self._hosts.run(host, "pkill", "-KILL", "-f", program[-1], check=False)
        for job in jobs:
            job.wait()


def _launcher(name: str, slurm: Slurm | None) -> Launcher:
    known: list[Launcher] = [launchers.OpenMPI4(), launchers.OpenMPI5(), launchers.MPICH5(), launchers.Torchrun()]
    return next((one for one in known if one.name == name), launchers.Srun(slurm))


@contextmanager
def _cgroup() -> Iterator[Path]:
    """A cgroup whose processes may have little memory."""
    folder = Path(tempfile.mkdtemp(prefix="ranklog-test-", dir=CGROUPS))
    try:
        (folder / "memory.limit_in_bytes").write_text(MEMORY)
        yield folder
    finally:
        wait_until(lambda: not (folder / "cgroup.procs").read_text(), "the processes of the cgroup have ended")
        folder.rmdir()


def _all_speak(run: Run) -> bool:
    return sorted(run.ranks) == list(RANKS) and all(len(run.lines(rank)) > 3 for rank in RANKS)


def _accusation(path: Path) -> Verdict:
    """The first verdict that names somebody; after some time, one that does not."""
    found: list[Verdict] = []

    def names_somebody() -> bool:
        with suppress(ReadingError):
            found[:] = [judge(RunFolder(str(path)))]
        return bool(found and found[0].culprits)

    with suppress(AssertionError):
        wait_until(names_somebody, "somebody is named", VERDICT_S)
    return found[0]
