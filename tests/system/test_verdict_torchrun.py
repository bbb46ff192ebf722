"""torchrun jobs over two hosts break, and the verdict names the rank: also where torchrun itself names another.

The whole trial, each failure of each rank, with torchrun's own words beside it, is `python -m bench.torchrun_trial`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ranklog_collector.core.verdict.finding import Status
from ranklog_collector.verdict import judge
from tests.support import launchers, programs
from tests.support.cluster import Cluster, Run, captured, with_options
from tests.support.hosts import Hosts, why_no_hosts
from tests.support.launchers import VENVS
from tests.support.skew import skewed, skewed_on, why_no_skew
from tests.system.conftest import require

PER_HOST = (2, 2)
PYTHON = str(VENVS / "torch" / "bin" / "python")
TRAINER = str(programs.SOURCES / "trainer.py")
SKEW_S = 2.0
TORCHRUN = launchers.Torchrun()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require(why_no_hosts() or why_no_skew() or launchers.why_missing(TORCHRUN))
    folder = tmp_path_factory.mktemp("torchrun")
    with Hosts(len(PER_HOST), private_tmp=True, visible=[folder]) as hosts, Cluster(hosts, folder) as cluster:
        yield cluster


@pytest.mark.parametrize(
    ("failure", "rank", "skew_s", "category"),
    [("kill", 0, 0.0, "killed"), ("early_exit", 2, 0.0, "early-exit"), ("excall", 3, SKEW_S, "exception")],
)
def test_the_verdict_names_the_rank(cluster: Cluster, failure: str, rank: int, skew_s: float, category: str) -> None:
    hosts = cluster.hosts
    program = captured([PYTHON, "-u", TRAINER, failure, str(rank)])
    clocks = {1: skewed(skew_s)} if skew_s else {}
    program = skewed_on(hosts.names[1], skew_s, program) if skew_s else program
    with Run(cluster, (0, 1), run_id=f"{failure}-{rank}", environments=clocks) as run:
        assert 1 in run.finish(TORCHRUN.commands(hosts, program, PER_HOST), timeout_s=120)
        run.prove()
        verdict = judge(run.folder)
        assert verdict.status is Status.FAILED, verdict
        named = {(one.rank, one.node, one.category.value) for one in verdict.culprits}
        assert (rank, hosts.names[rank // 2], category) in named, verdict
        assert len(named) == 1 or (verdict.is_tie and failure == "excall"), verdict


def test_a_job_that_torchrun_starts_again_is_judged_by_its_last_life(cluster: Cluster) -> None:
    """In the first life rank 3 fails when all are there, and the others wait for ever."""
    folder = cluster.folder / "seen"
    folder.mkdir()
    script = f"""
        [ -e {folder}/again ] && exit 0
        touch {folder}/$RANK
        [ $RANK = 3 ] || exec sleep 600
        until [ -e {folder}/0 ] && [ -e {folder}/1 ] && [ -e {folder}/2 ]; do sleep 0.05; done
        touch {folder}/again
        exit 3
    """
    job = TORCHRUN.commands(cluster.hosts, captured(["sh", "-c", script]), PER_HOST)
    with Run(cluster, (0, 1), run_id="again") as run:
        assert run.finish(with_options(job, "--max-restarts=1"), timeout_s=120) == [0, 0]
        run.prove()
        lives = [(view.rank, view.life, view.state.value) for view in run.processes]
        assert lives == [
            (rank, life, ("Failed" if rank == 3 else "Terminated") if life == 0 else "Completed")
            for rank in range(4)
            for life in (0, 1)
        ]
        counts = {one.record["restart"] for one in run.state.processes if one.life == 1}
        print(f"torchrun's own counts of restarts in the second life: {counts}")
        assert run.state.state == "completed"
        assert "4 completed, started 2 times" in cluster.command("ps", run.run_id)
        verdict = judge(run.folder)
        assert (verdict.status, verdict.attempt) == (Status.FINE, 1), verdict
        assert any("rank 3" in remark and "exited with code 3" in remark for remark in verdict.remarks), verdict
