"""500 agents with 4 streams each on one collector: they join, write a line now and then, then all at once."""

from __future__ import annotations

import argparse
import filecmp
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import fleet
from bench.command import run
from bench.figures import Figures, machine, percentiles, say, tell
from bench.lines import LINE_BYTES, block, line
from bench.pipelines import collector_in, size_of
from bench.processes import MIB, Process, children, cpu_s, proportional_mib, running, until
from bench.visibility import sample

SLICE_LINES = 160
"""What each stream writes before it is the next one's turn: 16 kB."""
JOIN_TIMEOUT_S = 300.0
ARRIVAL_TIMEOUT_S = 600.0
POLL_S = 0.05

Way = tuple[str, str]
"""A stream's source file, and where it arrives."""


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.fan_in", description=__doc__)
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--streams", type=int, default=4, help="of each agent")
    parser.add_argument("--size", type=float, default=0.25, metavar="MIB", help="of each stream")
    parser.add_argument("--rate", type=float, default=50, metavar="LINES", help="a second, over all, before the rush")
    parser.add_argument("--seconds", type=float, default=30, help="of that rate")
    options = parser.parse_args()
    _allow_open_files()
    result: Figures = {**machine("fan_in"), "agents": options.agents, "streams": options.agents * options.streams}
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as folder:
        ways = _make_sources(folder, options.agents, options.streams)
        began = time.perf_counter()
        with _started(folder, options.agents) as (collector, agents):
            _wait_for(ways, JOIN_TIMEOUT_S, collector, agents)
            result |= {"join_s": time.perf_counter() - began, "join_collector_cpu_s": collector.cpu_s}
            say(f"all are there after {result['join_s']:.1f} s")
            result |= _quiet(collector, agents, ways, options.rate, options.seconds)
            result |= _rush(collector, agents, ways, int(options.size * MIB) // LINE_BYTES)
            agents.stop()
            collector.stop()
        result["complete"] = all(filecmp.cmp(*way, shallow=False) for way in ways)
    tell(result)


def _make_sources(folder: str, agents: int, streams: int) -> list[Way]:
    """Each with its first line."""
    ways = []
    for agent in range(agents):
        watched, collected = fleet.watched_folder(folder, agent), fleet.collected_folder(folder, agent, agents)
        os.makedirs(watched)
        for number in range(streams):
            name = fleet.stream(number)
            Path(watched, name).write_bytes(line(number))
            ways.append((os.path.join(watched, name), os.path.join(collected, name)))
    return ways


@contextmanager
def _started(folder: str, count: int) -> Iterator[tuple[Process, Process]]:
    with collector_in(folder) as (collector, address):
        argv = [sys.executable, "-m", "bench.fleet", address, folder, str(count)]
        fleet_process = Process(argv, os.path.join(folder, "agents.log"))
        with running(fleet_process):
            yield collector, fleet_process


def _quiet(collector: Process, agents: Process, ways: Sequence[Way], rate: float, seconds: float) -> Figures:
    """Now and then a line somewhere: how soon it is visible while all the others are only there."""
    began, before, before_agents = time.perf_counter(), collector.cpu_s, _cpu_of_agents(agents)
    took = sample(ways, rate, seconds)
    elapsed = time.perf_counter() - began
    return {
        **{f"quiet_{name}": value for name, value in percentiles(took).items()},
        "quiet_collector_cpu_percent": 100 * (collector.cpu_s - before) / elapsed,
        "quiet_agent_cpu_percent": 100 * (_cpu_of_agents(agents) - before_agents) / elapsed / len(children(agents.pid)),
    }


def _rush(collector: Process, agents: Process, ways: Sequence[Way], lines: int) -> Figures:
    """All streams grow at once, as fast as one writer can make them."""
    before, before_agents = collector.cpu_s, _cpu_of_agents(agents)
    began = time.perf_counter()
    for first in range(0, lines, SLICE_LINES):
        piece = block(first, min(SLICE_LINES, lines - first))
        for source, _ in ways:
            with open(source, "ab", buffering=0) as file:
                file.write(piece)
    written_s = time.perf_counter() - began
    _wait_for(ways, ARRIVAL_TIMEOUT_S, collector, agents)
    took = time.perf_counter() - began
    size = lines * LINE_BYTES * len(ways)
    pids = children(agents.pid)
    return {
        "rush_mib": size / MIB,
        "rush_written_s": written_s,
        "rush_s": took,
        "rush_mib_per_s": size / MIB / took,
        "rush_collector_cpu_s": collector.cpu_s - before,
        "rush_agents_cpu_s": _cpu_of_agents(agents) - before_agents,
        "collector_peak_mib": collector.peak_mib,
        "agent_mib": sum(proportional_mib(pid) for pid in pids) / len(pids),
    }


def _cpu_of_agents(agents: Process) -> float:
    return sum(cpu_s(pid) for pid in children(agents.pid))


def _wait_for(ways: Sequence[Way], timeout_s: float, collector: Process, agents: Process) -> None:
    """Wait until all that is in the sources has arrived."""
    missing = {target: size_of(source) for source, target in ways}

    def is_complete() -> bool:
        for target, size in list(missing.items()):
            if size_of(target) >= size:
                del missing[target]
        return not missing

    until(is_complete, f"all of {len(ways)} streams have arrived", timeout_s, [collector, agents], POLL_S)


def _allow_open_files() -> None:
    """The quiet phase holds every source and target open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    run(main)
