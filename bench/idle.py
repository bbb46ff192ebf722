"""1,000 files in which nothing happens, and 200 files that live 50 ms; beside rsyslog."""

from __future__ import annotations

import argparse
import os
import tempfile
import time

from bench.command import run
from bench.figures import Figures, in_short, machine, medians, say, tell
from bench.lines import line
from bench.pipelines import Pipeline, Start, contestants
from bench.processes import BenchError, until

LIFE_S = 0.05
LINES_IN_LIFE = 3
ARRIVAL_TIMEOUT_S = 15.0


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.idle", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--settle", type=float, default=5, help="seconds to wait when all files have arrived")
    parser.add_argument("--short-files", type=int, default=200)
    options = parser.parse_args()
    result: dict[str, object] = {**machine("idle"), "rounds": options.rounds, "files": options.files}
    rounds: dict[str, list[Figures]] = {}
    for _ in range(options.rounds):
        for name, start in contestants().items():
            figures = measure(start, options)
            say(f"{name}: {in_short(figures)}")
            rounds.setdefault(name, []).append(figures)
    tell(result | {"seconds": options.seconds} | {name: medians(figures) for name, figures in rounds.items()})


def measure(start: Start, options: argparse.Namespace) -> Figures:
    """One contestant."""
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as folder:
        watched = os.path.join(folder, "watched")
        os.mkdir(watched)
        for number in range(options.files):
            with open(os.path.join(watched, f"idle-{number:05}.log"), "wb") as file:
                file.write(line(number))
        with start(folder) as pipeline:
            time.sleep(options.settle)
            return _idle(pipeline, options.seconds) | _short_lived(pipeline, options.short_files)


def _idle(pipeline: Pipeline, seconds: float) -> Figures:
    cpu = [process.cpu_s for process in pipeline.processes]
    began = time.perf_counter()
    time.sleep(seconds)
    elapsed = time.perf_counter() - began
    sender, receiver = (one.cpu_s - before for one, before in zip(pipeline.processes, cpu, strict=True))
    return {
        "sender_cpu_percent": 100 * sender / elapsed,
        "receiver_cpu_percent": 100 * receiver / elapsed,
        "sender_resident_mib": pipeline.sender.resident_mib,
        "receiver_resident_mib": pipeline.receiver.resident_mib,
    }


def _short_lived(pipeline: Pipeline, files: int) -> Figures:
    """Lines that were written to files which were deleted soon, and how many of them never arrive."""
    before, written = pipeline.collected_lines, files * LINES_IN_LIFE
    for number in range(files):
        _live_and_die(os.path.join(pipeline.watched, f"short-{number:05}.log"), number)
    try:
        until(lambda: pipeline.collected_lines >= before + written, "", ARRIVAL_TIMEOUT_S, poll_s=0.5)
    except BenchError:
        say("not all lines of short-lived files have arrived; ending the pipeline, which may bring them")
    pipeline.stop()
    return {"short_lived_lines": written, "short_lived_lines_lost": before + written - pipeline.collected_lines}


def _live_and_die(path: str, number: int) -> None:
    with open(path, "wb", buffering=0) as file:
        for index in range(LINES_IN_LIFE):
            file.write(line(number * LINES_IN_LIFE + index))
            time.sleep(LIFE_S / LINES_IN_LIFE)
    os.unlink(path)


if __name__ == "__main__":
    run(main)
