"""Runs over simulated hosts: a collector on the first one, an agent on each with ranks, and what comes home of a job.

Sizes that take long are reduced unless RANKLOG_TEST_FULL is set: `sized(full, reduced)`.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.processes import ProcessView, processes
from ranklog_collector.reading.state import RunState
from ranklog_collector.reading.verify import verify
from tests.support import launchers
from tests.support.hosts import HostProcess, Hosts
from tests.support.launchers import HostCommand

RANKLOG = str(Path(sys.executable).with_name("ranklog"))
COLLECTOR_PORT = 7070
PATIENCE_S = 60.0
"""Nobody waits so long but on a machine that has much else to do."""
POLL_S = 0.02
WORDS_SHOWN = 4000
SHIPPED = ("streams/*/*", "metrics/*.jsonl", "agents/*/resources/*.jsonl")
"""What of a spool is in the run folder in the end."""
END_OF_RUN = re.compile(r"Z  the run (has completed|has failed|was canceled|is over)")
"""In execution.txt, which is the last to be written."""

Number = TypeVar("Number", int, float)


def sized(full: Number, reduced: Number) -> Number:
    """A size: the full one if RANKLOG_TEST_FULL is set."""
    return full if os.environ.get("RANKLOG_TEST_FULL") else reduced


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> float:
    """Poll until a condition holds, and return how long that took in seconds; `what` says what was waited for."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() < started + timeout_s, f"not within {timeout_s} s: {what}"
        time.sleep(POLL_S)
    return time.monotonic() - started


def captured(program: Sequence[str], *options: str) -> list[str]:
    """The program under `ranklog exec`, which is told of its run by its host's agent."""
    return [RANKLOG, "exec", *options, "--", *program]


def with_options(commands: Sequence[HostCommand], *options: str) -> list[HostCommand]:
    """The same job with more options for its launcher."""
    return [replace(command, argv=(command.argv[0], *options, *command.argv[1:])) for command in commands]


class Daemon:
    """`ranklog agent` or `ranklog collector` on a host, over any number of lives that write to one log."""

    def __init__(
        self,
        hosts: Hosts,
        host: int,
        log: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self._hosts, self._host = hosts, host
        self._command = (RANKLOG, *arguments)
        self._environment = environment
        self._process: HostProcess | None = None

    def start(self) -> None:
        """Begin a life."""
        with self.log.open("ab") as log:
            self._process = self._hosts.popen(
                self._host, *self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def is_alive(self) -> bool:
        """Whether it has begun and not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def words(self) -> str:
        """What it has said in all its lives."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL, if it lives."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Cluster:
    """Hosts with a collector on the first; it ends with the `with` block."""

    def __init__(self, hosts: Hosts, folder: Path) -> None:
        self.hosts = hosts
        self.folder = folder
        """Seen by all hosts."""
        self.root = folder / "runs"
        self.address = f"{hosts.ip(0)}:{COLLECTOR_PORT}"
        self._port_file = folder / "port"
        where = ("--root", str(self.root), "--grpc", self.address, "--port-file", str(self._port_file))
        self.collector = Daemon(hosts, 0, folder / "collector.log", ("collector", *where))

    def __enter__(self) -> Cluster:
        self.start_collector()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.collector.kill()

    def start_collector(self) -> None:
        """Start it, and wait until it listens."""
        self._port_file.unlink(missing_ok=True)
        self.collector.start()
        wait_until(self._port_file.exists, f"the collector listens; it said: {self.collector.words}")

    def command(self, *arguments: str) -> str:
        """What a reading command says about this cluster's runs; it must succeed."""
        result = subprocess.run([RANKLOG, *arguments, "--root", str(self.root)], capture_output=True, text=True)
        assert result.returncode == 0, (arguments, result.stdout, result.stderr)
        return result.stdout


class Run:
    """One run of a cluster: an agent on each of `hosts`, and a job. None of them outlives the `with` block."""

    def __init__(
        self,
        cluster: Cluster,
        hosts: Sequence[int],
        *,
        run_id: str = "r1",
        options: Sequence[str] = (),
        environments: Mapping[int, Mapping[str, str]] | None = None,
    ) -> None:
        self.cluster = cluster
        self.run_id = run_id
        self.path = cluster.root / "default" / run_id
        arguments = ("agent", "--collector", cluster.address, "--run", run_id, *options)
        self.agents = {
            host: Daemon(
                cluster.hosts,
                host,
                cluster.folder / f"agent-{run_id}-{host}.log",
                arguments,
                (environments or {}).get(host),
            )
            for host in hosts
        }
        self._jobs: list[HostProcess] = []

    def __enter__(self) -> Run:
        for agent in self.agents.values():
            agent.start()
        try:
            wait_until(lambda: len(self.state.nodes) == len(self.agents), "all agents have joined")
        except BaseException:
            self._show()
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._show()
        self._kill()

    # ---- the job ----------------------------------------------------------------------------------------------------

    def start(self, commands: Sequence[HostCommand], timeout_s: float = 60) -> list[HostProcess]:
        """Start a job; what its launcher says is kept for `console`."""
        bound = launchers.bounded(commands, timeout_s)
        return self.start_to_be_killed(bound)

    def start_to_be_killed(self, commands: Sequence[HostCommand]) -> list[HostProcess]:
        """Start a job with nothing around its launcher, so that signals get there."""
        begun = []
        for one in commands:
            with self._console(len(self._jobs)).open("wb") as console:
                said = {"stdin": subprocess.DEVNULL, "stdout": console, "stderr": console}
                begun.append(self.cluster.hosts.popen(one.host, *one.argv, env=one.env, **said))
            self._jobs.append(begun[-1])
        return begun

    def finish(self, commands: Sequence[HostCommand], timeout_s: float = 60) -> list[int]:
        """Run a job to its end, and the run; returns the exit codes of the job's commands."""
        codes = [process.wait() for process in self.start(commands, timeout_s)]
        self.await_end()
        return codes

    @property
    def console(self) -> str:
        """What the launchers said."""
        return "".join(self.consoles)

    @property
    def consoles(self) -> list[str]:
        """What each of the job's commands said."""
        return [self._console(number).read_text(errors="replace") for number in range(len(self._jobs))]

    def await_end(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until every agent has ended well by itself, and the collector has published the run's end."""
        codes = {host: agent.wait(timeout_s) for host, agent in self.agents.items()}
        assert set(codes.values()) == {0}, f"agents ended with {codes}"
        wait_until(lambda: END_OF_RUN.search(self.events), "the run has ended", timeout_s)

    # ---- what came home ---------------------------------------------------------------------------------------------

    @property
    def folder(self) -> RunFolder:
        """As it is now. Raises ReadingError before the first agent has come."""
        return RunFolder(str(self.path))

    @property
    def state(self) -> RunState:
        """What the journal tells now."""
        try:
            return self.folder.state
        except ReadingError:
            return RunState()

    @property
    def processes(self) -> list[ProcessView]:
        """All processes, as `ranklog ps` lists them."""
        return processes(self.state)

    @property
    def ranks(self) -> dict[int, ProcessView]:
        """The ranks, by their numbers; of a rank that was restarted the last."""
        return {view.rank: view for view in self.processes if view.rank is not None}

    def output(self, rank: int) -> bytes:
        """What has come of a rank's output."""
        view = self.ranks[rank]
        path = self.path / view.log
        return path.read_bytes() if view.log and path.exists() else b""

    def lines(self, rank: int) -> list[str]:
        """The same as text, in lines."""
        return self.output(rank).decode().splitlines()

    def sources(self) -> dict[Path, Path]:
        """What processes and observers have left in the spools, with the file that each was collected into."""
        state, hosts = self.state, self.cluster.hosts
        found = {}
        for segment in state.segments.values():
            stream = state.streams[segment.stream]
            if stream.process or stream.role == "metrics":
                tmp = hosts.tmp(hosts.names.index(stream.node))
                found[tmp / Path(segment.source).relative_to("/tmp")] = self.path / stream.path
        return found

    @property
    def events(self) -> str:
        """The life of the run, overall/execution.txt."""
        path = self.path / "overall" / "execution.txt"
        return path.read_text() if path.exists() else ""

    def prove(self) -> None:
        """Every byte that the journal vouches for is there, nothing is known to be lost, and it is what was spooled."""
        report = verify(self.folder)
        assert report.is_intact, (report.problems, [check for check in report.checks if check.problem])
        sources = self.sources()
        spools = {self.cluster.hosts.tmp(host) for host in self.agents}
        spooled = {path for tmp in spools for below in SHIPPED for path in tmp.glob(f"ranklog-*/{self.run_id}/{below}")}
        assert set(sources) == spooled
        for source, collected in sources.items():
            assert _sha256(source) == _sha256(collected), (source, collected)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _console(self, number: int) -> Path:
        return self.cluster.folder / f"console-{self.run_id}-{number}"

    def _kill(self) -> None:
        for job in self._jobs:
            job.kill()
            job.wait()
        for agent in self.agents.values():
            agent.kill()

    def _show(self) -> None:
        """Print the evidence for a failure."""
        for host, agent in self.agents.items():
            _show(f"agent of host {host}", agent.words)
        _show("collector", self.cluster.collector.words)
        _show("launcher", self.console)
        _show("execution.txt", self.events)
        for view in self.processes:
            print(f"{view.name} {view.node} {view.state.value} {view.exit} {view.bytes} bytes {view.log}")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _show(title: str, text: str) -> None:
    print(f"---- {title}\n{text[-WORDS_SHOWN:]}")
