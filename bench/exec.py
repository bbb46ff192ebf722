"""What `ranklog exec` adds to the start of a rank; beside the bare command and a bare python."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence

from bench.command import run
from bench.figures import Figures, machine, say, tell
from bench.processes import BenchError, Process, children, proportional_mib, running, until

COMMAND = "true"
START_TIMEOUT_S = 20.0


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.exec", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as folder:
        wrapped = [ranklog(), "exec", "--run", "bench", "--spool", folder, "--"]
        commands = {"bare": [COMMAND], "python": [sys.executable, "-c", "pass"], "exec": [*wrapped, COMMAND]}
        rounds = [{name: _run(argv) for name, argv in commands.items()} for _ in range(options.rounds)]
        held = _memory([*wrapped, "sleep", "60"], os.path.join(folder, "sleep.log"))
    result: dict[str, object] = {**machine("exec"), "rounds": options.rounds}
    for name in commands:
        elapsed, cpu = zip(*(one[name] for one in rounds), strict=True)
        result[name] = {"wall_ms": 1000 * statistics.median(elapsed), "cpu_ms": 1000 * statistics.median(cpu)}
        say(f"{name}: {1000 * statistics.median(elapsed):.1f} ms")
    tell(
        result
        | held
        | {
            "added_wall_ms": 1000 * statistics.median(one["exec"][0] - one["bare"][0] for one in rounds),
            "vs_python": statistics.median(one["exec"][0] / one["python"][0] for one in rounds),
        }
    )


def ranklog() -> str:
    """The command, of the installation that runs this bench."""
    return os.path.join(os.path.dirname(sys.executable), "ranklog")


def _run(argv: list[str]) -> tuple[float, float]:
    """Seconds that a command takes, and CPU seconds of it and what it starts."""
    began = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ)
    _, status, usage = os.wait4(pid, 0)
    elapsed = time.perf_counter() - began
    if status:
        raise BenchError(f"{' '.join(argv)} failed")
    return elapsed, usage.ru_utime + usage.ru_stime


def _memory(argv: Sequence[str], log: str) -> Figures:
    """What stays in memory beside a rank for as long as it runs."""
    with running(Process(argv, log)) as process:
        until(lambda: len(children(process.pid)) > 0, "the command has started", START_TIMEOUT_S, [process])
        return {"resident_mib": process.resident_mib, "proportional_mib": proportional_mib(process.pid)}


if __name__ == "__main__":
    run(main)
