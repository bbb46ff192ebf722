"""Who is to blame, when one rank of a torchrun job fails: ranklog's verdict, beside torchrun's own.

Two hosts with two ranks each, simulated by namespaces: this needs root, and script/install-test-programs.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.command import run
from bench.figures import Figures, machine, say, tell
from bench.injections import Injection, Mark, mark, read_injections, write_injection
from bench.processes import BenchError
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.verdict import judge
from tests.support import programs
from tests.support.cluster import Cluster, Run, captured
from tests.support.hosts import Hosts, why_no_hosts
from tests.support.launchers import VENVS, Torchrun, why_missing
from tests.support.skew import skewed, skewed_on, why_no_skew

PER_HOST = (2, 2)
PYTHON = VENVS / "torch" / "bin" / "python"
CATEGORIES = {
    "exc": ("exception", "gpu"),  # the exception speaks of CUDA
    "kill": ("killed",),
    "segv": ("crash",),
    "early_exit": ("early-exit",),
    "excall": ("exception",),
}
TIMEOUT_S = 90.0
ROOT_CAUSE = re.compile(r"Root Cause \(first observed failure\):.*?rank\s*: (\d+) ", re.DOTALL)
SKEWED_HOST = 1


def main() -> None:
    """Break jobs, judge them, and tell the score."""
    parser = argparse.ArgumentParser(prog="python -m bench.torchrun_trial", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="of 20 jobs each: 5 failures of each of 4 ranks")
    parser.add_argument("--skew", type=float, default=0.0, metavar="SECONDS", help="how far one host's clock is off")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the run folders here")
    parser.add_argument("--judge", type=Path, metavar="DIR", help="start no job: judge again those that were kept here")
    options = parser.parse_args()
    if options.judge is not None:
        _score(read_injections(options.judge), options.skew)
        return
    lack = why_no_hosts() or why_missing(Torchrun()) or (why_no_skew() if options.skew else None)
    if lack is not None:
        raise BenchError(lack)
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        _score(_injections(folder, options.rounds, options.skew), options.skew)


def _injections(folder: Path, rounds: int, skew_s: float) -> Iterator[Injection]:
    """Break one job after the other, and note what is known of each."""
    with Hosts(len(PER_HOST), private_tmp=True, visible=[folder]) as hosts, Cluster(hosts, folder) as cluster:
        for number in range(rounds):
            for failure in CATEGORIES:
                for rank in range(sum(PER_HOST)):
                    name = f"{failure}-{rank}-{number}" + (f"-skew{skew_s:g}" if skew_s else "")
                    yield write_injection(folder, _inject(cluster, name, failure, rank, skew_s))


def _inject(cluster: Cluster, name: str, failure: str, rank: int, skew_s: float) -> Injection:
    hosts = cluster.hosts
    program = captured([str(PYTHON), "-u", str(programs.SOURCES / "trainer.py"), failure, str(rank)])
    if skew_s:
        program = skewed_on(hosts.names[SKEWED_HOST], skew_s, program)
    clocks = {SKEWED_HOST: skewed(skew_s)} if skew_s else {}
    with Run(cluster, range(len(PER_HOST)), run_id=name, environments=clocks) as job:
        job.finish(Torchrun().commands(hosts, program, PER_HOST), TIMEOUT_S)
        node = hosts.names[rank // PER_HOST[0]]
        blamed = tuple(_root_cause(console) for console in job.consoles)
        return Injection(str(job.path), failure, rank, node, CATEGORIES[failure], blamed)


def _root_cause(console: str) -> int | None:
    """The rank that a torchrun names."""
    found = ROOT_CAUSE.search(console)
    return int(found[1]) if found else None


def _score(injections: Iterable[Injection], skew_s: float) -> None:
    judged = []
    for injection in injections:
        verdict = judge(RunFolder(injection.folder))
        judged.append((injection, mark(verdict, injection)))
        theirs = ", ".join("nobody" if rank is None else f"rank {rank}" for rank in injection.blamed)
        say(f"{judged[-1][1].value:<9}{Path(injection.folder).name:<18}{verdict.headline}  (torchrun: {theirs})")
    theirs_right = {
        f"torchrun_node{host}_right": sum(one.blamed[host] == one.rank for one, _ in judged)
        for host in range(len(PER_HOST))
    }
    own = sum(one.blamed[one.rank // PER_HOST[0]] == one.rank for one, _ in judged)
    marks = [each for _, each in judged]
    # All of them raise the same: which was first may be within the clocks' error.
    ties = [one for one, each in judged if each is Mark.TIE and one.failure == "excall"]
    ours: Figures = {
        "ranklog_right": marks.count(Mark.RIGHT) + len(ties),
        "ranklog_ties": len(ties),
        "ranklog_wrong": marks.count(Mark.WRONG),
    }
    tell(
        {
            **machine("torchrun_trial"),
            "skew_s": skew_s,
            "jobs": len(judged),
            **ours,
            **theirs_right,
            "torchrun_own_node_right": own,
        }
    )


if __name__ == "__main__":
    run(main)
