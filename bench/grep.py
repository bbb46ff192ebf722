"""Finding lines in a large run folder, from its start as a command to its end; beside grep, ripgrep and cat."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from bench import big_folder
from bench.command import run
from bench.figures import Figures, in_short, machine, medians, say, tell
from bench.processes import BenchError

PATTERNS = {
    "word": "CUDA out of memory",
    "words": "CUDA out of memory|Segmentation fault|Traceback",
    "no_case": "(?i)out of memory",
    "classes": r"[a-z]+Error: ",
    "form": r"[A-Z]{4} [a-z]{3} [a-z]{2} [a-z]{6}\.",
}
"""By what is searched for."""


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.grep", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=1024)
    parser.add_argument("--size", type=float, default=2000, metavar="MB")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as root:
        folder = os.path.join(root, "big")
        say(f"writing {options.ranks} ranks, {options.size:g} MB")
        size = big_folder.write(folder, options.ranks, int(options.size * 1e6))
        rounds = []
        for number in range(options.rounds):
            rounds.append(_round(folder, size))
            say(f"round {number + 1}: {in_short(rounds[-1])}")
        peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        sizes: Figures = {"rounds": options.rounds, "ranks": options.ranks, "size_mb": size / 1e6, "peak_mib": peak_mib}
        tell({**machine("grep"), **sizes, **medians(rounds)})


def _round(folder: str, size: int) -> Figures:
    """Everybody once; the files are in the page cache, from which the first one has read them."""
    cat = _reading_speed(folder, size)
    figures: Figures = {"cat_mb_per_s": cat}
    rivals = {"grep": ["grep", "-rE"], "ripgrep": ["rg", "-uuu", "--no-heading"]}
    for name, pattern in PATTERNS.items():
        cpu_s = _cpu_s()
        figures[f"ranklog_{name}_mb_per_s"] = speed = _speed(_ranklog(folder, pattern), size)
        figures[f"cat_times_ranklog_{name}"] = cat / speed
        figures[f"ranklog_{name}_mb_per_cpu_s"] = size / (_cpu_s() - cpu_s) / 1e6
        for rival, argv in rivals.items():
            if shutil.which(argv[0]):
                figures[f"{rival}_{name}_mb_per_s"] = _speed([*argv, *_plain(pattern), folder], size)
    return figures


def _cpu_s() -> float:
    """What the commands have cost so far: on a machine that is busy otherwise it tells more than the time."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ranklog(folder: str, pattern: str) -> list[str]:
    return [sys.executable, "-m", "ranklog", "logs", folder, "--grep", pattern]


def _plain(pattern: str) -> list[str]:
    return ["-i", pattern.removeprefix("(?i)")] if pattern.startswith("(?i)") else [pattern]


def _speed(argv: Sequence[str], size: int) -> float:
    began = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, check=False)
    took_s = time.perf_counter() - began
    if done.returncode or b"out of memory" not in done.stdout:
        raise BenchError(f"{argv[0]} found nothing: {done.stderr.decode(errors='replace')[-200:]}")
    return size / took_s / 1e6


def _reading_speed(folder: str, size: int) -> float:
    """What nobody can outdo."""
    began = time.perf_counter()
    argv = ["find", folder, "-name", "*.txt", "-exec", "cat", "{}", "+"]
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return size / (time.perf_counter() - began) / 1e6


if __name__ == "__main__":
    run(main)
