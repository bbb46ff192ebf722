"""A job over four hosts comes home as one run folder: what is in it, and where."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import programs
from tests.support.cluster import Cluster, Run, captured
from tests.support.hosts import REPOSITORY, Hosts, why_no_hosts
from tests.support.launchers import VENVS, HostCommand, Launcher
from tests.system.conftest import require

PER_HOST = (2, 2, 2, 2)
RANKS = range(8)
AZUREML_PYTHON = VENVS / "azureml" / "bin" / "python"


@pytest.fixture(params=["own /tmp", "shared /tmp"])
def hosts4(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hosts]:
    require(why_no_hosts())
    with Hosts(4, private_tmp=request.param == "own /tmp", visible=[tmp_path]) as hosts:
        yield hosts


@pytest.mark.parametrize("launcher", ["openmpi4", "openmpi5", "mpich5", "slurm"], indirect=True)
def test_a_job_over_four_hosts_comes_home_as_one_folder(launcher: Launcher, cluster4: Cluster) -> None:
    with Run(cluster4, range(4)) as run:
        (command,) = launcher.commands(cluster4.hosts, captured(program_for(launcher)), PER_HOST)
        assert run.finish([under_exec(command)]) == [0]
        run.prove()
        files = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
        assert {name for name in files if not name.startswith(".ranklog/")} == expected_files(launcher, cluster4.hosts)
        for rank in RANKS:
            pid = run.ranks[rank].pid
            assert run.lines(rank) == expected_lines(launcher, rank, run.lines(rank)[0], pid), f"rank {rank}"
        check_process_files(run, cluster4.hosts)
        check_azureml_table(run)
        said = (run.path / "overall" / "stdout.txt").read_text()
        assert sorted(re.findall(r"(?:start rank=|hello out )(\d)", said)) == [str(rank) for rank in RANKS]


def under_exec(command: HostCommand) -> HostCommand:
    """The launcher itself as a process of the run."""
    return replace(command, argv=tuple(captured(command.argv)))


def program_for(launcher: Launcher) -> list[str]:
    """An MPI program where there is an MPI."""
    if launcher.mpicc is None:
        return programs.script("who.sh")
    return [str(programs.compiled("rankc", launcher.mpicc)), "ok"]


def expected_lines(launcher: Launcher, rank: int, first: str, pid: int | None) -> list[str]:
    """What a rank says, in the order in which it says it, on stdout and stderr; `first` must fit."""
    host = f"node{rank // 2}"
    if launcher.mpicc is None:
        pattern, rest = rf"hello out {rank} on {host} pid={pid} fd0=\S+ fd1=\S+ fd2=\S+", [f"hello err {rank}"]
    else:
        pattern = f"start rank={rank} size=8 host={host} pid={pid} isatty=1"
        rest = [f"err rank={rank}", f"done rank={rank}"]
        if rank == 1:
            rest.insert(1, "rank 1 about to ok (buffered last line)")
    return [first if re.fullmatch(pattern, first) else pattern, *rest]


def expected_files(launcher: Launcher, hosts: Hosts) -> set[str]:
    files = {"run.json", "azureml-logs/process_info.json", "azureml-logs/process_status.json"}
    files |= {f"overall/{name}" for name in ("execution.txt", "stdout.txt", "stderr.txt")}
    if launcher.mpicc is not None:
        files.add("azureml-logs/70_mpi_log.txt")
    for host, name in enumerate(hosts.names):
        folder = hosts.ip(host)
        files |= {f"{folder}/azureml-logs/70_driver_log_{rank}.txt" for rank in RANKS if rank // 2 == host}
        files |= {f"{folder}/azureml-logs/55_azureml-execution-{name}.txt"}
        files |= {f"{folder}/logs/azureml/sidecar/{name}/start_cms.txt"}
    return files


def check_process_files(run: Run, hosts: Hosts) -> None:
    """The pids are those that the ranks printed, by their own namespaces."""
    info = {line["rank"]: line for line in json_lines(run.path / "azureml-logs" / "process_info.json")}
    assert sorted(info) == list(RANKS)
    for rank, line in info.items():
        log = f"{hosts.ip(rank // 2)}/azureml-logs/70_driver_log_{rank}.txt"
        assert list(line)[:5] == ["process_name", "node_id", "pid_in_container", "private_ip", "log"]
        assert (line["process_name"], line["node_id"]) == (f"rank_{rank}", f"node{rank // 2}")
        assert (line["private_ip"], line["log"]) == (hosts.ip(rank // 2), log)
        assert f" pid={line['pid_in_container']} " in run.lines(rank)[0]
    *events, last = json_lines(run.path / "azureml-logs" / "process_status.json")
    for status in ("Started", "Completed"):
        names = [event["process_name"] for event in events if event["status"] == status]
        assert sorted(names) == [f"rank_{rank}" for rank in RANKS]
    assert len(events) == 16
    assert (last["process_name"], last["status"]) == ("*", "Completed")


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_azureml_table(run: Run) -> None:
    """azureml-core's own parser reads the two files, and finds what is there."""
    require(None if AZUREML_PYTHON.exists() else "azureml-core is missing: run script/install-test-programs")
    program = REPOSITORY / "tests" / "programs" / "azureml_table.py"
    result = subprocess.run([AZUREML_PYTHON, program, run.path], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    table = result.stdout
    for rank in RANKS:
        assert re.search(rf"rank_{rank}\b.*\bCompleted\b.*\bnode{rank // 2}\b.*10\.77\.0\.1{rank // 2}\b", table), table
