"""Points from a node's spool to an answer about all of them, by way of agent and collector."""

from __future__ import annotations

import argparse
import os
import socket
import tempfile
import time

import orjson

from bench.command import run
from bench.figures import Figures, in_short, machine, medians, say, tell
from bench.pipelines import RANKLOG, RUN, collector_in, run_folder
from bench.points import lines, process_key, record
from bench.processes import MIB, Process, children, cpu_s, proportional_mib, running, until
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series.read import aggregate, catalog

TIMEOUT_S = 300.0
POLL_S = 0.05


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest_points", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--steps", type=int, default=1_000_000)
    options = parser.parse_args()
    rounds = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as folder:
            rounds.append(_round(folder, options.ranks, options.steps))
        say(f"round {number + 1}: {in_short(rounds[-1])}")
    tell(
        {
            **machine("ingest_points"),
            "rounds": options.rounds,
            "ranks": options.ranks,
            "steps": options.steps,
            **medians(rounds),
        }
    )


def _round(folder: str, ranks: int, steps: int) -> Figures:
    """Let the points appear before a pipeline that is up; a reader asks until it knows them all."""
    spool = os.path.join(folder, "spool")
    size = _write(os.path.join(folder, "written"), ranks, steps)
    os.sync()
    with collector_in(folder) as (collector, address):
        argv = [*RANKLOG, "agent", "--collector", address, "--run", RUN, "--spool", spool, "--stay"]
        with running(Process(argv, os.path.join(folder, "agent.log"))) as agent:
            for rank in range(ranks):
                _appear(spool, rank, ranks)
            until(lambda: _processes(folder) == ranks, "the agent has told of all ranks", TIMEOUT_S, [agent, collector])
            cpu = [process.cpu_s for process in (agent, collector)]
            began = time.perf_counter()
            for rank in range(ranks):
                name = f"{process_key(rank)}.jsonl"
                os.rename(os.path.join(folder, "written", name), os.path.join(spool, "metrics", name))
            pipeline = [agent, collector]
            until(lambda: _count(folder) == ranks * steps, "all points are known", TIMEOUT_S, pipeline, POLL_S)
            known_s = time.perf_counter() - began
            total = aggregate(RunFolder(run_folder(folder), latest_marks=True), "loss").total
            answered_s = time.perf_counter() - began
            sealers = children(collector.pid)
            return {
                "points_per_s": ranks * steps / known_s,
                "aggregated_points_per_s": ranks * steps / answered_s,
                "mib_per_s": size / MIB / known_s,
                "agent_cpu_s": agent.cpu_s - cpu[0],
                "collector_cpu_s": collector.cpu_s - cpu[1],
                "sealer_cpu_s": sum(map(cpu_s, sealers)),
                "sealer_mib": sum(map(proportional_mib, sealers)),
                "complete": total == steps,
            }


def _write(folder: str, ranks: int, steps: int) -> int:
    os.makedirs(folder)
    size = 0
    for rank in range(ranks):
        path = os.path.join(folder, f"{process_key(rank)}.jsonl")
        with open(path, "wb") as file:
            file.writelines(lines(rank, 0, steps))
        size += os.path.getsize(path)
    return size


def _appear(spool: str, rank: int, ranks: int) -> None:
    """As a process that has started and has not logged yet."""
    for name in ("procs", "metrics"):
        os.makedirs(os.path.join(spool, name), exist_ok=True)
    path = os.path.join(spool, "procs", f"{process_key(rank)}.json")
    # It has to be a process that is there, or the agent takes it for one that is gone.
    facts = {**record(rank, ranks, socket.gethostname()), "pid": os.getpid()}
    with open(f"{path}.new", "wb") as file:
        file.write(orjson.dumps(facts))
    os.rename(f"{path}.new", path)


def _folder(folder: str) -> RunFolder | None:
    try:
        return RunFolder(run_folder(folder), latest_marks=True)
    except ReadingError:
        return None


def _processes(folder: str) -> int:
    found = _folder(folder)
    return 0 if found is None else len(found.state.processes)


def _count(folder: str) -> int:
    found = _folder(folder)
    return 0 if found is None else sum(metric.count for metric in catalog(found))


if __name__ == "__main__":
    run(main)
