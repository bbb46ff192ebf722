"""Jobs of a real Slurm: what becomes of their runs when they are canceled, preempted, requeued or out of time.

They are submitted as users are told to, by the batch script of this repository, or run with agents beside Slurm.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ranklog_collector.core.verdict.finding import Category, Status, Verdict
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.processes import ProcessState, ProcessView, processes
from ranklog_collector.reading.verify import verify
from ranklog_collector.verdict import judge
from tests.support import programs
from tests.support.cluster import Cluster, Run, captured, wait_until
from tests.support.hosts import REPOSITORY, Hosts, why_no_hosts
from tests.support.launchers import Srun, why_missing
from tests.support.slurm import Slurm
from tests.system.conftest import require

TRAIN = """
import os, time
steps = 5 if os.environ.get("SLURM_RESTART_COUNT") else int(os.environ["STEPS"])
for step in range(steps):
    print("rank", os.environ["SLURM_PROCID"], "step", step, flush=True)
    time.sleep(0.2)
"""
FOR_EVER = "100000"


@dataclass
class Batch:
    """A run of a job that the batch script makes."""

    root: Path
    run_id: str

    @property
    def folder(self) -> RunFolder:
        return RunFolder(str(self.root / "default" / self.run_id))

    @property
    def state(self) -> str:
        """Of the run; none as long as there is no run."""
        try:
            return self.folder.state.state
        except ReadingError:
            return ""

    @property
    def processes(self) -> list[ProcessView]:
        return processes(self.folder.state)

    @property
    def lives(self) -> list[tuple[int, int, ProcessState]]:
        """Of the ranks: rank, life, state."""
        return sorted((one.rank, one.life, one.state) for one in self.processes if one.rank is not None)

    @property
    def verdict(self) -> Verdict:
        return judge(self.folder)

    def all_speak(self, ranks: int) -> bool:
        """Whether so many have said something."""
        return self.state != "" and sum(one.rank is not None and one.bytes > 0 for one in self.processes) == ranks


@dataclass
class Site:
    """Hosts with Slurm, and a folder that they share, in which jobs are submitted."""

    hosts: Hosts
    slurm: Slurm
    folder: Path

    def submit(self, *options: str, steps: str = "5") -> str:
        """Submit the batch script; returns the job's id."""
        path = f"{Path(sys.executable).parent}:{self.hosts.environment['PATH']}"
        return self.slurm.submit(self.folder / "train.sbatch", *options, PATH=path, STEPS=steps)

    def run(self, job: str) -> Batch:
        return Batch(self.folder / "ranklog-runs", f"slurm-{job}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require(why_no_hosts() or why_missing(Srun()))
    folder = tmp_path_factory.mktemp("slurm")
    shutil.copy(REPOSITORY / "deploy" / "slurm" / "train.sbatch", folder)
    (folder / "train.py").write_text(TRAIN)
    with Hosts(4, private_tmp=True, visible=[folder]) as hosts, Slurm(hosts) as slurm:
        yield Site(hosts, slurm, folder)


@pytest.fixture(scope="module", autouse=True)
def overdue(site: Site) -> str:
    """A job that is soon out of time: Slurm looks every half a minute, and other tests can have that time."""
    job = site.submit("--nodes=1", "--ntasks-per-node=2", "--nodelist=node3", "--no-requeue", steps=FOR_EVER)
    site.slurm.await_state(job, "JobState=RUNNING")
    site.slurm.control("scontrol", "update", f"JobId={job}", "EndTime=now+3")
    return job


@pytest.fixture
def beside(site: Site) -> Iterator[Run]:
    """A run whose collector and agents are none of Slurm's."""
    folder = site.folder / "beside"
    folder.mkdir()
    with Cluster(site.hosts, folder) as cluster, Run(cluster, (0, 1)) as run:
        yield run


def test_a_job_is_a_run_and_so_is_each_task_of_an_array(site: Site) -> None:
    job = site.submit("--nodes=3", "--ntasks-per-node=2", "--nodelist=node0,node1,node2")
    array = site.submit("--nodes=1", "--ntasks-per-node=2", "--nodelist=node3", "--array=0-1")
    for one in (job, array):
        site.slurm.await_state(one, "JobState=COMPLETED", "ExitCode=0:0")
    runs = [site.run(job), site.run(f"{array}_0"), site.run(f"{array}_1")]
    for run, ranks in zip(runs, (6, 2, 2), strict=True):
        assert (run.state, run.verdict.status) == ("completed", Status.FINE)
        assert run.lives == [(rank, 0, ProcessState.COMPLETED) for rank in range(ranks)]
        assert [one.role for one in run.processes if one.rank is None] == ["launcher"], "the batch script is no rank"
        assert verify(run.folder).is_intact
    assert {one.node for one in runs[0].processes} == {"node0", "node1", "node2"}


def test_a_job_that_is_canceled_has_not_failed(site: Site) -> None:
    job = site.submit("--nodes=2", "--ntasks-per-node=1", "--nodelist=node0,node1", steps=FOR_EVER)
    run = site.run(job)
    wait_until(lambda: run.all_speak(2), "both ranks speak")
    site.slurm.control("scancel", job)
    site.slurm.await_state(job, "JobState=CANCELLED")
    wait_until(lambda: run.state == "canceled", "the run has ended")
    assert run.lives == [(rank, 0, ProcessState.TERMINATED) for rank in range(2)]
    assert (run.verdict.status, run.verdict.category) == (Status.CANCELED, Category.CANCELED), run.verdict


def test_a_job_that_is_preempted_and_put_back_goes_on_as_the_same_run(site: Site) -> None:
    where = ("--nodes=2", "--ntasks-per-node=1", "--nodelist=node0,node1")
    job = site.submit(*where, "--partition=patient", "--requeue", steps=FOR_EVER)
    run = site.run(job)
    wait_until(lambda: run.all_speak(2), "both ranks speak")
    site.submit(*where, "--partition=urgent", "--exclusive", steps="1")
    wait_until(lambda: run.state == "canceled", "the run has ended")
    verdict = run.verdict
    assert (verdict.status, verdict.category, verdict.culprits) == (Status.FAILED, Category.PREEMPTED, ()), verdict
    assert "DUE TO PREEMPTION" in verdict.quotes[0].text
    site.slurm.await_state(job, "JobState=COMPLETED", "Restarts=1", hurry=True)
    assert run.state == "completed"
    ends = (ProcessState.TERMINATED, ProcessState.COMPLETED)
    assert run.lives == [(rank, life, end) for rank in range(2) for life, end in enumerate(ends)]
    assert (run.verdict.status, run.verdict.attempt) == (Status.FINE, 1), run.verdict
    assert [remark for remark in run.verdict.remarks if remark.startswith("start 1 of 2: the job was preempted at ")]


def submit_beside(site: Site, run: Run) -> str:
    """Submit a job that ticks for ever, and when it is started again only a little; returns its id."""
    ticker = [*programs.script("ticker.py"), "TICKS", "0.2"]
    tasks = shlex.join(captured(["srun", *captured(ticker, "--run", run.run_id)], "--run", run.run_id))
    script = run.cluster.folder / "job.sh"
    script.write_text(
        "#!/bin/sh\n"
        '[ "${SLURM_RESTART_COUNT:-0}" = 0 ] && ticks=100000 || ticks=5\n'
        f"exec {tasks.replace('TICKS', '$ticks')}\n"
    )
    return site.slurm.submit(script, "--nodes=2", "--ntasks=2", "--nodelist=node0,node1", "--requeue")


def both_tick(run: Run) -> bool:
    return sorted(run.ranks) == [0, 1] and all(len(run.lines(rank)) > 3 for rank in (0, 1))


def test_a_job_that_is_requeued_goes_on_as_the_same_run(site: Site, beside: Run) -> None:
    job = submit_beside(site, beside)
    wait_until(lambda: both_tick(beside), "both ranks tick")
    site.slurm.control("scontrol", "requeue", job)
    beside.await_end()
    assert beside.state.state == "canceled"
    verdict = judge(beside.folder)
    assert (verdict.status, verdict.category, verdict.culprits) == (Status.CANCELED, Category.CANCELED, ()), verdict
    assert "put back into Slurm's queue" in verdict.headline
    for agent in beside.agents.values():
        agent.start()  # in the same spool, and long before the ranks
    site.slurm.await_state(job, "JobState=COMPLETED", "Restarts=1", hurry=True)
    beside.await_end()
    wait_until(lambda: beside.state.state == "completed", "the run has ended anew")
    beside.prove()
    lives = [(view.rank, view.life, view.state) for view in beside.processes if view.rank is not None]
    ends = (ProcessState.TERMINATED, ProcessState.COMPLETED)
    assert lives == [(rank, life, end) for rank in (0, 1) for life, end in enumerate(ends)]
    assert beside.lines(1)[-1] == "rank 1 finished"
    assert "2 completed, started 2 times" in beside.cluster.command("ps", beside.run_id)
    assert [line.partition("Z  ")[2] for line in beside.events.splitlines() if "Z  the run " in line] == [
        "the run is running",
        "the run was canceled",
        "the run is running",
        "the run has completed",
    ]
    verdict = judge(beside.folder)
    assert (verdict.status, verdict.attempt) == (Status.FINE, 1), verdict


def test_a_job_that_is_out_of_time_says_so_with_the_line_that_proves_it(site: Site, overdue: str) -> None:
    site.slurm.await_state(overdue, "JobState=TIMEOUT")
    run = site.run(overdue)
    wait_until(lambda: run.state in ("failed", "canceled"), "the run has ended")
    verdict = run.verdict
    assert run.lives == [(rank, 0, ProcessState.TERMINATED) for rank in range(2)]
    assert (verdict.status, verdict.category, verdict.culprits) == (Status.FAILED, Category.TIME_LIMIT, ()), verdict
    assert "DUE TO TIME LIMIT" in verdict.quotes[0].text
    assert verdict.quotes[0].path == "overall/stderr.txt"
