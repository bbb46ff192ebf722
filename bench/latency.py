"""From write() to visible in the collector's file, at a steady rate; beside rsyslog."""

from __future__ import annotations

import argparse
import os
import tempfile
import time

from bench.command import run
from bench.figures import Figures, in_short, machine, medians, percentiles, ratio, say, tell
from bench.pipelines import FIRST, Pipeline, contestants
from bench.visibility import sample


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30, help="of each contestant in each round")
    parser.add_argument("--rate", type=float, default=50, metavar="LINES", help="a second")
    options = parser.parse_args()
    result: dict[str, object] = {**machine("latency"), "rounds": options.rounds, "rate": options.rate}
    rounds: dict[str, list[Figures]] = {}
    for _ in range(options.rounds):
        for name, start in contestants().items():
            with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as folder, start(folder) as pipeline:
                figures = measure(pipeline, options.rate, options.seconds)
                pipeline.stop()
            say(f"{name}: {in_short(figures)}")
            rounds.setdefault(name, []).append(figures)
    result |= {name: medians(figures) for name, figures in rounds.items()}
    tell(result | {"p50_vs_rsyslog": ratio(rounds, "ranklog", "rsyslog", "p50_ms")})


def measure(pipeline: Pipeline, rate: float, seconds: float) -> Figures:
    """One pipeline's latencies, and what they cost."""
    began = time.perf_counter()
    cpu = [process.cpu_s for process in pipeline.processes]
    took = sample([(os.path.join(pipeline.watched, FIRST), pipeline.target(FIRST))], rate, seconds)
    elapsed = time.perf_counter() - began
    sender, receiver = (one.cpu_s - before for one, before in zip(pipeline.processes, cpu, strict=True))
    return {
        "lines": len(took),
        **percentiles(took),
        "sender_cpu_percent": 100 * sender / elapsed,
        "receiver_cpu_percent": 100 * receiver / elapsed,
    }


if __name__ == "__main__":
    run(main)
