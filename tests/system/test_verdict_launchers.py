"""Jobs of every launcher break, and the verdict names the rank that did it, its node, and how.

In each step the ranks meet at a barrier, so the others break as well: they lose a connection, wait, or are killed. The
whole matrix, every failure of every rank, is `python -m bench.verdict_matrix`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from ranklog_collector.core.verdict.finding import Category, Status
from ranklog_collector.reading.processes import ProcessState, ProcessView, processes
from ranklog_collector.verdict import judge
from tests.support import breaking, launchers
from tests.support.azureml_rules import azure_table, disagreements
from tests.support.breaking import LIVING, PER_HOST, RANKS, Breaker, Broken
from tests.support.cluster import RANKLOG, Cluster, Run, captured, wait_until
from tests.support.hosts import Hosts, why_no_hosts
from tests.system.conftest import require

CELLS = [
    ("openmpi4", "exception", 3),
    ("openmpi4", "early_exit", 2),
    ("openmpi4", "cut_off", 2),
    ("openmpi5", "kill", 0),
    ("openmpi5", "mpi_abort", 3),
    ("mpich5", "segfault", 3),
    ("mpich5", "exit3", 1),
    ("slurm", "memory" if breaking.why_no_memory_limit() is None else "kill", 2),
    ("slurm", "hang", 0),
    ("torchrun", "import", 1),
    ("torchrun", "disk_full", 3),
    ("local", "abort", 2),
    ("local", "own_words", 1),
]


@pytest.fixture(scope="module")
def breaker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Breaker]:
    require(why_no_hosts() or breaking.why_not(request.param))
    folder = tmp_path_factory.mktemp(request.param)
    with (
        Hosts(len(PER_HOST), private_tmp=True, visible=[folder]) as hosts,
        Breaker(hosts, folder, request.param) as breaker,
    ):
        yield breaker


@pytest.mark.parametrize(("breaker", "failure", "rank"), CELLS, indirect=["breaker"])
def test_the_verdict_names_who_broke(breaker: Breaker, failure: str, rank: int) -> None:
    with breaker.broken(failure, rank) as job:
        verdict, truth = job.verdict, job.truth
        named = [(one.rank, one.node) for one in verdict.culprits]
        assert named == [(truth.rank, truth.node)], verdict
        assert verdict.culprits[0].category.value in truth.categories, verdict
        assert verdict.status is (Status.SUSPECT if failure in LIVING else Status.FAILED), verdict
        if failure == "mpi_abort":
            assert "called MPI_Abort with 42" in verdict.headline
        check_victims(job, rank)
        check_states(job, failure, rank)
        check_command(job)


def test_a_rank_that_ends_early_is_told_of_while_the_others_run(cluster4: Cluster) -> None:
    """Nobody talks to it, so nobody complains; the launcher says nothing and ends with 0."""
    launcher = launchers.OpenMPI4()
    require(launchers.why_missing(launcher))
    gate = cluster4.folder / "gate"
    script = (
        f"echo rank $OMPI_COMM_WORLD_RANK; [ $OMPI_COMM_WORLD_RANK = 2 ] || until [ -e {gate} ]; do sleep 0.1; done"
    )
    with Run(cluster4, (0, 1)) as run:
        (job,) = run.start(launcher.commands(cluster4.hosts, captured(["sh", "-c", script]), (2, 1)), timeout_s=120)
        wait_until(lambda: judge(run.folder).culprits, "somebody is named")
        verdict = judge(run.folder)
        (culprit,) = verdict.culprits
        assert (verdict.status, culprit.category) == (Status.SUSPECT, Category.EARLY_EXIT), verdict
        assert (culprit.rank, culprit.node) == (2, "node1"), verdict
        gate.touch()
        assert job.wait() == 0
        run.await_end()
        assert run.state.state == "completed"
        assert {view.state for view in run.ranks.values()} == {ProcessState.COMPLETED}


def check_victims(job: Broken, rank: int) -> None:
    """Nobody else is named, and who suffered from it is told."""
    suffered = {one for consequence in job.verdict.consequences for one in consequence.ranks}
    ended = {view.rank for view in processes_of(job) if view.state in (ProcessState.FAILED, ProcessState.TERMINATED)}
    assert suffered >= ended - {rank}, job.verdict


def check_states(job: Broken, failure: str, rank: int) -> None:
    """They follow from the evidence, and the process files say the same."""
    views = {view.rank: view for view in processes(job.folder.state) if view.role != "launcher"}
    assert sorted(view for view in views if view is not None) == list(RANKS)
    if failure in LIVING:
        expected = ProcessState.LOST if failure == "cut_off" else ProcessState.RUNNING
        assert views[rank].state is expected
        assert job.folder.state.state == "running"
    else:
        # Its end may be noticed, or its launcher may ask it to end, after others have ended for its sake.
        broken = {ProcessState.FAILED, ProcessState.TERMINATED}
        assert views[rank].state in ({ProcessState.COMPLETED} if failure == "early_exit" else broken)
        assert job.folder.state.state == "failed"
    # The collector publishes the files a moment after it has noted a fact.
    wait_until(lambda: not disagreements(table(job), processes_of(job)), "the process files say what ps says")


def table(job: Broken) -> list[list[object]]:
    files = (job.path / "azureml-logs" / f"process_{name}.json" for name in ("info", "status"))
    info, status = (file.read_text() if file.exists() else "" for file in files)
    return azure_table(info, status) if info else []


def processes_of(job: Broken) -> list[ProcessView]:
    return [view for view in processes(job.folder.state) if view.role != "launcher"]


def check_command(job: Broken) -> None:
    """`ranklog why` says it, too."""
    done = subprocess.run([RANKLOG, "why", str(job.path), "--json"], capture_output=True, text=True)
    culprits = json.loads(done.stdout)["culprits"]
    assert [(one["rank"], one["node"]) for one in culprits] == [(job.truth.rank, job.truth.node)], done
