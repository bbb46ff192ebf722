"""Who a process is in its job is known under every launcher, and under one within another."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ranklog_collector.core.processes import Process
from tests.support import launchers, programs
from tests.support.cluster import Cluster, Run, captured
from tests.support.launchers import HostCommand, Launcher, Srun
from tests.support.slurm import Slurm
from tests.system.conftest import OVER_HOSTS, require

NAMES = {"openmpi4": "openmpi", "openmpi5": "openmpi", "mpich5": "mpich", "mpich4": "mpich"}
JOB_IDS = {
    "openmpi4": "PMIX_NAMESPACE",
    "openmpi5": "PMIX_NAMESPACE",
    "slurm": "SLURM_JOB_ID",
    "torchrun": "TORCHELASTIC_RUN_ID",
}


@pytest.mark.parametrize("launcher", OVER_HOSTS, indirect=True)
def test_ranks_over_hosts_are_known(launcher: Launcher, cluster4: Cluster, dumps: Path) -> None:
    per_host = (2, 0, 2)
    with Run(cluster4, (0, 2)) as run:
        job = launcher.commands(cluster4.hosts, captured(envdump(dumps)), per_host)
        assert set(run.finish(job)) == {0}
        check_ranks(run, launcher.name, per_host)
        check_against_environment(run, launcher.name, dumps)


def test_ranks_of_an_old_mpich_on_one_host_are_known(cluster4: Cluster, dumps: Path) -> None:
    launcher = launchers.MPICH4()
    require(launchers.why_missing(launcher))
    with Run(cluster4, (0,)) as run:
        assert run.finish(launcher.commands(cluster4.hosts, captured(envdump(dumps)), (3,))) == [0]
        check_ranks(run, launcher.name, (3,))
        check_against_environment(run, launcher.name, dumps)


def test_torchrun_in_tasks_of_slurm_numbers_the_ranks(slurm4: Slurm, cluster4: Cluster, dumps: Path) -> None:
    inner, _ = launchers.Torchrun().commands(cluster4.hosts, captured(envdump(dumps)), (2, 2))
    with Run(cluster4, (0, 1)) as run:
        assert run.finish(Srun(slurm4).commands(cluster4.hosts, as_words(inner), (1, 1))) == [0]
        check_ranks(run, "torchrun", (2, 2))
        assert {tuple(one.record["nested"]) for one in run.state.processes} == {("slurm",)}


def test_mpirun_in_a_task_of_slurm_numbers_the_ranks(slurm4: Slurm, cluster4: Cluster, dumps: Path) -> None:
    (inner,) = launchers.OpenMPI4().commands(cluster4.hosts, captured(envdump(dumps)), (3,))
    oversubscribed = replace(inner, argv=(inner.argv[0], "--oversubscribe", *inner.argv[1:]))
    with Run(cluster4, (0,)) as run:
        assert run.finish(Srun(slurm4).commands(cluster4.hosts, as_words(oversubscribed), (1,))) == [0]
        check_ranks(run, "openmpi4", (3,))
        assert {tuple(one.record["nested"]) for one in run.state.processes} == {("slurm",)}


def test_a_batch_script_is_no_rank_and_its_steps_tasks_are(
    slurm4: Slurm, cluster4: Cluster, dumps: Path, tmp_path: Path
) -> None:
    script = tmp_path / "batch.sh"
    words = captured(["echo", "from the batch script"])
    tasks = ["srun", "--nodes=2", "--ntasks=2", *captured(envdump(dumps))]
    script.write_text(f"#!/bin/sh\n{shlex.join(words)}\n{shlex.join(tasks)}\n")
    where = ("--nodes=2", "--ntasks=2", "--nodelist=node0,node1", f"--output={tmp_path}/batch.out")
    job = [HostCommand(0, ("sbatch", "--wait", *where, str(script)), slurm4.environment)]
    with Run(cluster4, (0, 1)) as run:
        assert run.finish(job) == [0]
        check_ranks(run, "slurm", (1, 1))
        (other,) = (view for view in run.processes if view.rank is None)
        assert (other.role, other.node) == ("process", "node0")
        assert (run.path / other.log).read_text() == "from the batch script\n"
        assert run.state.state == "completed"


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    """Where the ranks leave what their launcher gave them."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    return folder


def envdump(folder: Path) -> list[str]:
    return [*programs.script("envdump.py"), str(folder)]


def as_words(command: HostCommand) -> list[str]:
    """The command with its environment, to be started by another launcher."""
    return ["env", *(f"{name}={value}" for name, value in command.env.items()), *command.argv]


def check_ranks(run: Run, launcher: str, per_host: Sequence[int]) -> None:
    """Ranks are numbered host by host: so each one's place in the job is known."""
    places = [(host, local) for host, ranks in enumerate(per_host) for local in range(ranks)]
    found = ranked(run)
    assert sorted(found) == list(range(len(places)))
    for rank, (host, local) in enumerate(places):
        record = found[rank].record
        assert found[rank].node == record["hostname"] == f"node{host}", f"rank {rank}"
        sizes = (len(places), per_host[host])
        assert (record["world_size"], record["local_size"]) == sizes, f"rank {rank}"
        assert (record["role"], record["local_rank"]) == ("rank", local), f"rank {rank}"
        assert record["launcher"] == NAMES.get(launcher, launcher)


def check_against_environment(run: Run, launcher: str, dumps: Path) -> None:
    """What the ranks themselves saw."""
    for rank, process in ranked(run).items():
        dump: dict[str, Any] = json.loads((dumps / f"{rank}.json").read_text())
        name = JOB_IDS.get(launcher)
        assert process.record["job_id"] == (dump["environment"][name] if name else None)
        assert (process.record["pid"], process.record["cwd"]) == (dump["pid"], dump["cwd"])
        assert dump["isatty"] is True
        assert dump["environment"]["RANKLOG_RUN_ID"] == run.run_id


def ranked(run: Run) -> dict[int, Process]:
    return {one.rank: one for one in run.state.processes if one.rank is not None}
