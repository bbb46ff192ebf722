"""What carries a node's files to another place: ranklog and its rivals, each as a sender and a receiver."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.lines import count_lines, line
from bench.processes import Process, running, until

START_TIMEOUT_S = 20.0
ARRIVAL_TIMEOUT_S = 20.0
CONFIGURATIONS = Path(__file__).parent / "rsyslog"
RANKLOG = [sys.executable, "-m", "ranklog"]
RUN = "bench"
FIRST = "first.log"


@dataclass(frozen=True)
class Pipeline:
    """A running sender and receiver. Whatever appears in the folder `watched` is carried to `collected`."""

    watched: str
    sender: Process
    receiver: Process
    collected: str
    """A folder with a file for each, or one file for all."""

    @property
    def processes(self) -> list[Process]:
        """Both sides."""
        return [self.sender, self.receiver]

    def target(self, name: str) -> str:
        """Where the watched file of this name arrives."""
        return os.path.join(self.collected, name) if os.path.isdir(self.collected) else self.collected

    @property
    def collected_bytes(self) -> int:
        """How much has arrived so far."""
        return sum(size_of(path) for path in self._collected_files())

    @property
    def collected_lines(self) -> int:
        """How many lines have arrived so far."""
        return sum(count_lines(path) for path in self._collected_files())

    def wait_for_bytes(self, count: int, timeout_s: float = ARRIVAL_TIMEOUT_S) -> None:
        """Wait until so much has arrived. Raises BenchError."""
        until(lambda: self.collected_bytes >= count, f"{count} bytes are collected", timeout_s, self.processes)

    def stop(self) -> None:
        """End both sides, each as it would like to end."""
        self.sender.stop()
        self.receiver.stop()

    def _collected_files(self) -> list[str]:
        if not os.path.isdir(self.collected):
            return [self.collected] if os.path.exists(self.collected) else []
        return [entry.path for entry in os.scandir(self.collected) if entry.is_file()]


Start = Callable[[str], AbstractContextManager[Pipeline]]
"""Starts a pipeline in an empty folder, below which it keeps everything, and ends it with the block. If there is a
folder `watched` already, what lies in it has arrived when the block begins."""


def contestants() -> dict[str, Start]:
    """Ourselves, and the rivals that are installed."""
    found: dict[str, Start] = {"ranklog": ranklog}
    if shutil.which("rsyslogd"):
        found["rsyslog"] = rsyslog
    return found


@contextmanager
def ranklog(folder: str) -> Iterator[Pipeline]:
    """An agent and a collector."""
    watched = os.path.join(folder, "watched")
    os.makedirs(watched, exist_ok=True)
    with collector_in(folder) as (collector, address):
        join = ["--collector", address, "--run", RUN, "--spool", os.path.join(folder, "spool"), "--stay"]
        argv = [*RANKLOG, "agent", *join, "--watch", f"{watched}/**"]
        with running(Process(argv, os.path.join(folder, "agent.log"))) as agent:
            yield _begun(Pipeline(watched, agent, collector, os.path.join(run_folder(folder), "logs")))


@contextmanager
def collector_in(folder: str) -> Iterator[tuple[Process, str]]:
    """A collector that keeps all below a folder, and its address."""
    root, port_file = (os.path.join(folder, name) for name in ("root", "port"))
    argv = [*RANKLOG, "collector", "--root", root, "--grpc", "127.0.0.1:0", "--port-file", port_file]
    with running(Process(argv, os.path.join(folder, "collector.log"))) as collector:
        yield collector, f"127.0.0.1:{_port(port_file, collector)}"


def run_folder(folder: str) -> str:
    """Where that collector assembles the run RUN."""
    return os.path.join(folder, "root", "default", RUN)


@contextmanager
def rsyslog(folder: str) -> Iterator[Pipeline]:
    """Two instances with configurations and state of their own; the system's rsyslog is not touched."""
    watched, collected, port_file = (os.path.join(folder, name) for name in ("watched", "collected", "port"))
    os.makedirs(watched, exist_ok=True)
    receiver = _rsyslogd(folder, "receiver", BENCH_COLLECTED=collected, BENCH_PORT_FILE=port_file)
    with running(receiver):
        port = _port(port_file, receiver)
        sender = _rsyslogd(folder, "sender", BENCH_WATCH=f"{watched}/*.log", BENCH_PORT=port)
        with running(sender):
            yield _begun(Pipeline(watched, sender, receiver, collected))


def size_of(path: str) -> int:
    """A file's size; 0 as long as there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _rsyslogd(folder: str, side: str, **variables: str) -> Process:
    state = os.path.join(folder, side)
    os.mkdir(state)
    argv = ["rsyslogd", "-n", "-f", str(CONFIGURATIONS / f"{side}.conf"), "-i", f"{state}.pid"]
    return Process(argv, f"{state}.log", {"BENCH_STATE": state, **variables})


def _port(port_file: str, process: Process) -> str:
    until(lambda: size_of(port_file) > 0, "a port is known", START_TIMEOUT_S, [process])
    return Path(port_file).read_text(encoding="ascii").strip()


def _begun(pipeline: Pipeline) -> Pipeline:
    """Wait until all that was there and a first line have come through: both sides are up and connected."""
    Path(pipeline.watched, FIRST).write_bytes(line(0))
    total = sum(entry.stat().st_size for entry in os.scandir(pipeline.watched))
    pipeline.wait_for_bytes(total, START_TIMEOUT_S)
    return pipeline
