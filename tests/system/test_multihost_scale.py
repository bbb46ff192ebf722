"""Many ranks on many hosts."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranklog_collector.core.layout import JOURNAL
from tests.support import launchers, programs
from tests.support.cluster import Cluster, Run, captured, wait_until, with_options
from tests.support.hosts import Hosts, why_no_hosts
from tests.system.conftest import require

HOSTS, PER_HOST = 16, 4
RANKS = HOSTS * PER_HOST
ODD = 17


@pytest.fixture
def cluster16(tmp_path: Path) -> Iterator[Cluster]:
    require(why_no_hosts())
    with Hosts(HOSTS, private_tmp=True, visible=[tmp_path]) as hosts, Cluster(hosts, tmp_path) as cluster:
        yield cluster


@pytest.mark.parametrize("launcher", [launchers.OpenMPI4(), launchers.OpenMPI5()], ids=lambda launcher: launcher.name)
def test_what_64_ranks_say_alike_is_one_line_and_what_one_says_alone_is_seen(
    launcher: launchers.OpenMPI4 | launchers.OpenMPI5, cluster16: Cluster, tmp_path: Path
) -> None:
    require(launchers.why_missing(launcher))
    gate = tmp_path / "gate"
    program = captured([*programs.script("chorus.sh"), str(gate), str(ODD)])
    job = launcher.commands(cluster16.hosts, program, [PER_HOST] * HOSTS)
    if launcher.name == "openmpi5":
        job = with_options(job, "--map-by", f"ppr:{PER_HOST}:node")
    with gate.open("w") as held, Run(cluster16, range(HOSTS)) as run:
        fcntl.flock(held, fcntl.LOCK_EX)
        (mpirun,) = run.start(job, timeout_s=120)
        wait_until(lambda: [run.lines(rank) for rank in run.ranks] == [["ready"]] * RANKS, "all ranks are ready")
        fcntl.flock(held, fcntl.LOCK_UN)
        assert mpirun.wait() == 0
        run.await_end()
        run.prove()
        assert sorted(run.ranks) == list(range(RANKS))
        logs = list(run.path.glob("*/azureml-logs/70_driver_log_*.txt"))
        assert len({path.name for path in logs}) == len(logs) == RANKS
        said = cluster16.command("logs", run.run_id, "--fold", "similar").splitlines()
        assert [line for line in said if "ready" not in line and "epoch" not in line] == [
            f"[0-63] rank {{0…{RANKS - 1}}} tick 1",
            f"[0-{ODD - 1},{ODD + 1}-63] rank {{0…{RANKS - 1}}} tick 2",
            f"[{ODD}] loss is not a number",
            f"[0-63] rank {{0…{RANKS - 1}}} tick 3",
        ], said
        assert "[0-63] epoch 1 has begun" in cluster16.command("logs", run.run_id).splitlines()
        told = [json.loads(line) for line in (run.path / JOURNAL).read_bytes().splitlines()]
        joined = [entry["node"] for entry in told if entry["e"] == "node" and entry["event"] != "left"]
        assert sorted(joined) == sorted(cluster16.hosts.names), "one agent a node, which has come once"
