"""Who is to blame, whatever launches a job and however a rank of it breaks: every verdict, and the score.

Two hosts with two ranks each, simulated by namespaces: this needs root, and script/install-test-programs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.command import run
from bench.figures import machine, say, tell
from bench.injections import RECORDS, Injection, Mark, mark, read_injections, write_injection
from bench.processes import BenchError
from ranklog_collector.core.verdict.finding import Verdict
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.verdict import judge
from tests.support.breaking import FAILURES, LAUNCHERS, LIVING, PER_HOST, Breaker, why_not
from tests.support.hosts import Hosts, why_no_hosts

SIGNS = {Mark.RIGHT: "ok", Mark.TIE: "tie", Mark.MISNAMED: "cat", Mark.UNKNOWN: "?", Mark.WRONG: "WRONG"}


def main() -> None:
    """Break jobs, judge them, and tell the score."""
    parser = argparse.ArgumentParser(prog="python -m bench.verdict_matrix", description=__doc__)
    parser.add_argument("--launcher", action="append", choices=LAUNCHERS, help="only this one; several times")
    parser.add_argument("--failure", action="append", choices=FAILURES, help="only this one; several times")
    parser.add_argument("--rank", action="append", type=int, choices=range(sum(PER_HOST)), help="only this one")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the run folders here")
    parser.add_argument("--judge", type=Path, metavar="DIR", help="start no job: judge again those that were kept here")
    options = parser.parse_args()
    if options.judge is not None:
        _judge_again(options.judge)
        return
    chosen = options.launcher or LAUNCHERS
    if lack := why_no_hosts() or next(filter(None, map(why_not, chosen)), None):
        raise BenchError(lack)
    ranks = options.rank or range(sum(PER_HOST))
    table: dict[tuple[str, str], list[Mark]] = {}
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-") as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        for launcher in chosen:
            (folder / launcher).mkdir(parents=True, exist_ok=True)
            for injection, verdict in _broken(folder / launcher, launcher, options.failure or FAILURES, ranks):
                _note(table, launcher, injection, verdict)
    _tell(table, chosen)


def _judge_again(folder: Path) -> None:
    """Jobs that went on when they were judged have been killed since; of these nothing can be said any more."""
    table: dict[tuple[str, str], list[Mark]] = {}
    for launcher in LAUNCHERS:
        kept = read_injections(folder / launcher) if (folder / launcher / RECORDS).exists() else iter(())
        for injection in kept:
            if injection.failure not in LIVING:
                _note(table, launcher, injection, judge(RunFolder(injection.folder)))
    _tell(table, LAUNCHERS)


def _note(table: dict[tuple[str, str], list[Mark]], launcher: str, injection: Injection, verdict: Verdict) -> None:
    found = mark(verdict, injection)
    table.setdefault((injection.failure, launcher), []).append(found)
    say(f"{found.value:<9}{launcher:<10}{Path(injection.folder).name:<16}{verdict.headline}")


def _broken(
    folder: Path, launcher: str, failures: Iterable[str], ranks: Sequence[int]
) -> Iterator[tuple[Injection, Verdict]]:
    with Hosts(len(PER_HOST), private_tmp=True, visible=[folder]) as hosts, Breaker(hosts, folder, launcher) as breaker:
        for failure in failures:
            for rank in ranks:
                if not breaker.can(failure, rank):
                    continue
                with breaker.broken(failure, rank) as job:
                    truth = job.truth
                    injection = Injection(str(job.path), failure, truth.rank, truth.node, truth.categories)
                    yield write_injection(folder, injection), job.verdict


def _tell(table: dict[tuple[str, str], list[Mark]], launchers: Sequence[str]) -> None:
    width = max(map(len, FAILURES)) + 2
    say("".ljust(width) + "".join(name.ljust(14) for name in launchers))
    for failure in FAILURES:
        cells = [" ".join(SIGNS[one] for one in table.get((failure, name), [])) for name in launchers]
        say(failure.ljust(width) + "".join(cell.ljust(14) for cell in cells))
    marks = Counter(one for cell in table.values() for one in cell)
    tell({**machine("verdict_matrix"), "jobs": marks.total(), **{one.value: marks[one] for one in Mark}})


if __name__ == "__main__":
    run(main)
