"""Jobs of a real Slurm that are canceled and requeued: what becomes of the run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranklog_collector.core.verdict.finding import Category, Status
from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.verdict import judge
from tests.support import programs
from tests.support.cluster import Cluster, Run, captured, wait_until
from tests.support.slurm import Slurm

WHERE = ("--nodes=2", "--ntasks=2", "--nodelist=node0,node1", "--requeue", "--parsable")


@pytest.fixture
def run(cluster4: Cluster) -> Iterator[Run]:
    with Run(cluster4, (0, 1)) as run:
        yield run


def submit(run: Run, slurm: Slurm, folder: Path) -> str:
    """Submit a job that ticks for ever, and when it is started again only a little; returns its id."""
    ticker = [*programs.script("ticker.py"), "TICKS", "0.2"]
    tasks = shlex.join(captured(["srun", *captured(ticker, "--run", run.run_id)], "--run", run.run_id))
    script = folder / "job.sh"
    script.write_text(
        "#!/bin/sh\n"
        '[ "${SLURM_RESTART_COUNT:-0}" = 0 ] && ticks=100000 || ticks=5\n'
        f"exec {tasks.replace('TICKS', '$ticks')}\n"
    )
    hosts = run.cluster.hosts
    done = hosts.run(0, "sbatch", *WHERE, f"--output={folder}/job.out", str(script), env=slurm.environment)
    return done.stdout.strip()


def control(run: Run, slurm: Slurm, *words: str) -> None:
    run.cluster.hosts.run(0, *words, env=slurm.environment)


def has_run_again(run: Run, slurm: Slurm, job: str) -> bool:
    """Whether it has. Slurm would wait for two minutes, and is deaf until it has put the job back."""
    hosts = run.cluster.hosts
    hosts.run(0, "scontrol", "update", f"JobId={job}", "StartTime=now", env=slurm.environment, check=False)
    told = hosts.run(0, "scontrol", "show", "job", job, env=slurm.environment).stdout
    return "Restarts=1 " in told and "JobState=COMPLETED " in told


def both_tick(run: Run) -> bool:
    return sorted(run.ranks) == [0, 1] and all(len(run.lines(rank)) > 3 for rank in (0, 1))


def test_a_job_that_is_canceled_has_not_failed(run: Run, slurm4: Slurm, tmp_path: Path) -> None:
    job = submit(run, slurm4, tmp_path)
    wait_until(lambda: both_tick(run), "both ranks tick")
    control(run, slurm4, "scancel", job)
    run.await_end()
    run.prove()
    assert {view.state for view in run.ranks.values()} == {ProcessState.TERMINATED}
    assert run.state.state == "canceled"
    verdict = judge(run.folder)
    assert (verdict.status, verdict.category) == (Status.CANCELED, Category.CANCELED), verdict
    assert "was canceled" in run.events


def test_a_job_that_is_requeued_goes_on_as_the_same_run(run: Run, slurm4: Slurm, tmp_path: Path) -> None:
    job = submit(run, slurm4, tmp_path)
    wait_until(lambda: both_tick(run), "both ranks tick")
    control(run, slurm4, "scontrol", "requeue", job)
    run.await_end()
    assert run.state.state == "canceled"
    wait_until(lambda: has_run_again(run, slurm4, job), "the job has run again")
    for agent in run.agents.values():
        agent.start()
    wait_until(lambda: run.state.state == "completed", "the run has ended anew")
    run.prove()
    lives = [(view.rank, view.life, view.state) for view in run.processes if view.rank is not None]
    assert lives == [
        (rank, life, state)
        for rank in (0, 1)
        for life, state in enumerate((ProcessState.TERMINATED, ProcessState.COMPLETED))
    ]
    assert run.lines(1)[-1] == "rank 1 finished"
    assert "2 completed, started 2 times" in run.cluster.command("ps", run.run_id)
    assert [line.partition("Z  ")[2] for line in run.events.splitlines() if "Z  the run " in line] == [
        "the run is running",
        "the run was canceled",
        "the run is running",
        "the run has completed",
    ]
    verdict = judge(run.folder)
    assert (verdict.status, verdict.attempt) == (Status.FINE, 1), verdict
