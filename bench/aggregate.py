"""Reading a metric over all ranks, thinned for a chart: afresh, again, and when each rank has logged once more."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from bench.command import run
from bench.figures import Figures, in_short, machine, medians, say, tell
from bench.points import KEY, PointsRun
from bench.processes import BenchError
from ranklog_collector.core.backlog import LAST_BYTES
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.read import aggregate, catalog, series
from ranklog_collector.series.seal import seal

AGAIN = 20
COLD = """
import sys, time
began = time.perf_counter()
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.read import aggregate
found = aggregate(RunFolder(sys.argv[1], latest_marks=True), sys.argv[2], points=int(sys.argv[3]))
print(time.perf_counter() - began, found.total)
"""


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.aggregate", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--points", type=int, default=1000, help="to which it is thinned")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as root:
        path = os.path.join(root, "default", "bench")
        logged = PointsRun(path, options.ranks)
        say(f"writing {options.ranks} x {options.steps} points")
        logged.append(0, options.steps)
        sealed = _sealed(path, options.ranks * options.steps)
        first = _first(path, options.points)
        say(f"sealed: {in_short(sealed)}  first: {in_short(first)}")
        rounds = []
        for number in range(options.rounds):
            rounds.append(_round(path, logged, options.steps + number, options.points))
            say(f"round {number + 1}: {in_short(rounds[-1])}")
        tell(
            {
                **machine("aggregate"),
                "rounds": options.rounds,
                "ranks": options.ranks,
                "steps": options.steps,
                "points": options.points,
                **sealed,
                **first,
                **medians(rounds),
            }
        )


def _sealed(path: str, count: int) -> Figures:
    began = time.perf_counter()
    seal(RunFolder(path), LAST_BYTES)
    took_s = time.perf_counter() - began
    size = sum(
        os.path.getsize(os.path.join(where, name))
        for where, _, names in os.walk(os.path.join(path, ".ranklog", "derived"))
        for name in names
    )
    return {"sealed_points_per_s": count / took_s, "sealed_bytes_per_point": size / count}


def _first(path: str, points: int) -> Figures:
    """Each question for the first time, by who has asked nothing before."""
    folder = RunFolder(path, latest_marks=True)
    return {
        "catalog_first_ms": _ms(lambda: catalog(folder)),
        "aggregate_first_ms": _ms(lambda: aggregate(folder, KEY, points=points)),
        "by_time_first_ms": _ms(lambda: aggregate(folder, KEY, by="time", points=points)),
        "all_series_first_ms": _ms(lambda: series(folder, KEY, points=points)),
    }


def _round(path: str, logged: PointsRun, step: int, points: int) -> Figures:
    """In a new process; again; and again when each rank has logged one more step."""
    cold_ms = _cold_ms(path, step, points)
    folder = RunFolder(path, latest_marks=True)
    warm = [_ms(lambda: aggregate(folder, KEY, points=points)) for _ in range(AGAIN)]
    logged.append(step, 1)
    folder.refresh()
    return {
        "cold_ms": cold_ms,
        "warm_ms": statistics.median(warm),
        "warm_max_ms": max(warm),
        "grown_ms": _ms(lambda: aggregate(folder, KEY, points=points)),
        "by_time_grown_ms": _ms(lambda: aggregate(folder, KEY, by="time", points=points)),
        "all_series_grown_ms": _ms(lambda: series(folder, KEY, points=points)),
    }


def _cold_ms(path: str, steps: int, points: int) -> float:
    """In a new process, imports included."""
    done = subprocess.run(
        [sys.executable, "-c", COLD, path, KEY, str(points)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"the reader failed: {done.stderr.strip().splitlines()[-1:]}")
    took_s, total = json.loads(f"[{','.join(done.stdout.split())}]")
    if total != steps:
        raise BenchError(f"{total} steps instead of {steps}")
    return 1000 * float(took_s)


def _ms(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    run(main)
