"""What launchers say beside what ranks say themselves."""

from __future__ import annotations

from ranklog_collector.core.verdict.finding import Category
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
