"""One large file, from appearing on a node to being complete at the collector; beside socat and rsyslog."""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.command import run
from bench.figures import Figures, in_short, machine, medians, ratio, say, tell
from bench.lines import LINE_BYTES, count_lines, write_file
from bench.pipelines import Start, contestants, size_of
from bench.processes import MIB, Process, running, until

GIB = 1 << 30
NAME = "large.log"
SOCAT = {"socat": "8192", "socat_1mib": "1048576"}
"""Size of its reads and writes: its default, and that of our messages."""
TIMEOUT_S = 600.0


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=float, default=1024, metavar="MIB")
    parser.add_argument("--rival-size", type=float, default=100, metavar="MIB", help="for rivals that read lines")
    options = parser.parse_args()
    result: dict[str, object] = {**machine("throughput"), "rounds": options.rounds, "size_mib": options.size}
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as folder:
        large, small = (os.path.join(folder, name) for name in ("large", "small"))
        write_file(large, int(options.size * MIB))
        write_file(small, int(min(options.rival_size, options.size) * MIB))
        rounds: dict[str, list[Figures]] = {}
        for _ in range(options.rounds):
            for name, figures in _round(large, small, os.path.join(folder, "round")):
                say(f"{name}: {in_short(figures)}")
                rounds.setdefault(name, []).append(figures)
    tell(result | {name: medians(figures) for name, figures in rounds.items()} | _ratios(rounds))


def _ratios(rounds: dict[str, list[Figures]]) -> dict[str, object]:
    return {
        "vs_socat": ratio(rounds, "ranklog", "socat", "mib_per_s"),
        "vs_socat_1mib": ratio(rounds, "ranklog", "socat_1mib", "mib_per_s"),
        "vs_rsyslog": ratio(rounds, "ranklog", "rsyslog", "mib_per_s"),
        "cpu_vs_socat": ratio(rounds, "ranklog", "socat", "cpu_s_per_gib"),
        "cpu_vs_rsyslog": ratio(rounds, "ranklog", "rsyslog", "cpu_s_per_gib"),
    }


def _round(large: str, small: str, folder: str) -> Iterator[tuple[str, Figures]]:
    """Everybody once."""
    if shutil.which("socat"):
        for name, block in SOCAT.items():
            with _fresh(folder):
                yield name, copy_by_socat(large, folder, block)
    for name, start in contestants().items():
        with _fresh(folder):
            yield name, carry(start, large if name == "ranklog" else small, folder)


@contextmanager
def _fresh(folder: str) -> Iterator[None]:
    """An empty folder, and a disk that has nothing left to write of what was before."""
    os.mkdir(folder)
    os.sync()
    try:
        yield
    finally:
        shutil.rmtree(folder)


def carry(start: Start, source: str, folder: str) -> Figures:
    """Let the file appear before a pipeline that is up, and see it arrive."""
    with start(folder) as pipeline:
        before = pipeline.collected_bytes
        target = pipeline.target(NAME)
        first = size_of(target)
        cpu = [process.cpu_s for process in pipeline.processes]
        began = time.perf_counter()
        os.link(source, os.path.join(pipeline.watched, NAME))
        size = os.stat(source).st_size
        until(lambda: size_of(target) >= first + size, "the file has arrived", TIMEOUT_S, pipeline.processes)
        figures = _figures(time.perf_counter() - began, size, pipeline.processes, cpu)
        pipeline.stop()
        if first:
            return figures | {"complete": count_lines(target) == (before + size) // LINE_BYTES}
        return figures | {"complete": filecmp.cmp(source, target, shallow=False)}


def copy_by_socat(source: str, folder: str, block: str) -> Figures:
    """File to TCP to file, and nothing else."""
    target, log = os.path.join(folder, "target"), os.path.join(folder, "socat.log")
    size = os.stat(source).st_size
    with _connection() as (near, far), running(_socat(log, far, block, f"FD:{far}", f"CREATE:{target}")) as receiver:
        began = time.perf_counter()
        # At the end of the file it stays, so that what it cost can be read.
        with running(_socat(log, near, block, f"OPEN:{source},rdonly,ignoreeof", f"FD:{near}")) as sender:
            processes = [sender, receiver]
            until(lambda: size_of(target) >= size, "the copy is complete", TIMEOUT_S, processes)
            figures = _figures(time.perf_counter() - began, size, processes, [0.0, 0.0])
    return figures | {"complete": filecmp.cmp(source, target, shallow=False)}


def _socat(log: str, descriptor: int, block: str, *ends: str) -> Process:
    return Process(["socat", "-u", "-b", block, *ends], log, pass_fds=[descriptor])


@contextmanager
def _connection() -> Iterator[tuple[int, int]]:
    """The two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as near:
        far, _ = server.accept()
        with far:
            yield near.fileno(), far.fileno()


def _figures(took_s: float, size: int, processes: Sequence[Process], cpu_before: Sequence[float]) -> Figures:
    sender, receiver = ((one.cpu_s - before) * GIB / size for one, before in zip(processes, cpu_before, strict=True))
    return {
        "mib_per_s": size / MIB / took_s,
        "cpu_s_per_gib": sender + receiver,
        "sender_cpu_s_per_gib": sender,
        "receiver_cpu_s_per_gib": receiver,
        "sender_peak_mib": processes[0].peak_mib,
        "receiver_peak_mib": processes[1].peak_mib,
    }


if __name__ == "__main__":
    run(main)
