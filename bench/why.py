"""How long `ranklog why` takes on a run of many ranks, from an empty prompt to the answer."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from subprocess import run as run_command

import orjson

from bench import big_folder
from bench.command import run
from bench.figures import Figures, in_short, machine, medians, say, tell
from bench.processes import BenchError

RANKLOG = str(Path(sys.executable).with_name("ranklog"))


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.why", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=1024)
    parser.add_argument("--size", type=int, default=2 << 30, help="of all their output, in bytes")
    parser.add_argument("--folder", metavar="DIR", help="take this one, made by bench.big_folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-", dir=os.environ.get("RANKLOG_BENCH_DIR")) as scratch:
        folder = options.folder or os.path.join(scratch, "default", "big")
        if options.folder is None:
            say(f"writing {options.ranks} ranks, {options.size:,} bytes")
            big_folder.write(folder, options.ranks, options.size)
        rounds = []
        for number in range(options.rounds):
            rounds.append(_round(folder, options.ranks))
            say(f"round {number + 1}: {in_short(rounds[-1])}")
    tell({**machine("why"), "rounds": options.rounds, "ranks": options.ranks, "bytes": options.size, **medians(rounds)})


def _round(folder: str, ranks: int) -> Figures:
    began = time.perf_counter()
    done = run_command([RANKLOG, "why", "--json", folder], capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise BenchError(f"ranklog why ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    found = orjson.loads(done.stdout)
    named = [one["rank"] for one in found["culprits"]]
    return {"s": took, "is_right": named == [big_folder.failing(ranks)]}


if __name__ == "__main__":
    run(main)
