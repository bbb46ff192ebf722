"""What launchers say beside what ranks say themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ranklog_collector.core.verdict.evidence import Step
from ranklog_collector.core.verdict.finding import Category, Confidence, Status
from tests.unit.verdict.jobs import mpirun, named, rank, verdict

ABORT = "Abort(42) on node 3 (rank 3 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 42) - process 3"


def test_a_launchers_copy_of_what_a_rank_has_said_names_it_once() -> None:
    ranks = [rank(one, (9, "step 1"), end=10.02, signal=9, was_exec_killed=True) for one in range(3)]
    aborting = rank(3, (10, ABORT), end=10.01, code=42)
    found = verdict([*ranks, aborting], mpirun((10.01, ABORT), end=10.2, code=42))
    assert [one.name for one in found.culprits] == ["rank_3"]
    assert (found.category, found.is_tie) == (Category.MPI_ABORT, False)
    assert found.culprits[0].quotes[0].process == "rank_3"


def test_what_a_launcher_says_twice_counts_once() -> None:
    ranks = [rank(one, (9, "step 1"), end=10.5, signal=15, asked=10.4) for one in range(3)]
    quiet = rank(3, (9, "step 1"), end=10.1, code=42)
    found = verdict([*ranks, quiet], mpirun((10.1, ABORT), (10.2, ABORT), end=10.6, code=42))
    assert (named(found), found.category) == (["rank_3"], Category.MPI_ABORT)


@pytest.mark.parametrize(
    ("code", "words", "category"),
    [
        (9, "was killed by signal 9", Category.KILLED),
        (139, "crashed by SIGSEGV", Category.CRASH),
        (3, "exited with code 3", Category.EXIT_CODE),
    ],
)
def test_a_process_that_is_named_by_pid_and_host_alone_accuses_no_rank(
    code: int, words: str, category: Category
) -> None:
    steps = [rank(number, (5, "step"), step=Step("", None, 4 if number == 1 else 7)) for number in range(3)]
    said = f"=   PID 4711 RUNNING AT node1\n=   EXIT CODE: {code}"
    found = verdict([replace(one, state="Terminated") for one in steps], mpirun((9, said)))
    assert found.headline == f"a process on node1 {words} (pid 4711, rank unknown), says the launcher"
    assert (found.status, found.category, found.confidence) == (Status.FAILED, category, Confidence.POSSIBLE)
    assert [(one.rank, one.hostname) for one in found.culprits] == [(None, "node1")]
    assert "RUNNING AT node1" in found.culprits[0].quotes[0].text
    assert "rank 1 stopped after step 4, the others after step 7" in found.remarks
