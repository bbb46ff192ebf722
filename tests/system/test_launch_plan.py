"""Every way by which ranks are captured works with the real launcher; a stand-in for `ranklog exec` takes notes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ranklog_collector.launch.known import ambiguous_launcher
from ranklog_collector.launch.plan import Capture, Exec, plan_command
from tests.support import launchers, programs
from tests.support.hosts import Hosts
from tests.support.launchers import HostCommand, Launcher
from tests.support.slurm import Slurm
from tests.system.conftest import require

EXEC = Exec(
    (str(programs.SOURCES / "exec_stand_in.sh"), "exec", "--"),
    str(programs.SOURCES / "python_stand_in.sh"),
)
WAYS = {
    "openmpi4": Capture.HOOKED,
    "openmpi5": Capture.HOOKED,
    "mpich5": Capture.REWRITTEN,
    "mpich4": Capture.REWRITTEN,
    "slurm": Capture.REWRITTEN,
    "torchrun": Capture.HOOKED,
}


def test_each_rank_over_hosts_is_started_by_exec_and_knows_its_run(
    launcher: Launcher, hosts4: Hosts, tmp_path: Path
) -> None:
    script = programs.script("who.sh")
    if launcher.name == "torchrun":
        script = [str(programs.SOURCES / "ticker.py"), "1"]
    results, captures = run_planned(hosts4, launcher.commands(hosts4, script, (2, 2)), tmp_path)
    assert captures == {WAYS[launcher.name]}
    assert [result.returncode for result in results] == [0] * len(results)
    assert ranks_noted(tmp_path) == [(rank, "r1", "node0" if rank < 2 else "node1") for rank in range(4)]


@pytest.mark.parametrize("launcher_class", [launchers.OpenMPI4, launchers.OpenMPI5, launchers.MPICH5, launchers.MPICH4])
def test_mpi_programs_still_find_each_other(launcher_class: type[Launcher], hosts4: Hosts, tmp_path: Path) -> None:
    launcher = launcher_class()
    require(launchers.why_missing(launcher))
    assert launcher.mpicc
    per_host = (4,) if launcher.name == "mpich4" else (2, 2)
    program = [str(programs.compiled("rankc", launcher.mpicc)), "ok"]
    (result,), captures = run_planned(hosts4, launcher.commands(hosts4, program, per_host), tmp_path)
    assert captures == {WAYS[launcher.name]}
    assert sorted(re.findall(r"done rank=(\d)", result.stdout)) == ["0", "1", "2", "3"]
    assert [rank for rank, _, _ in ranks_noted(tmp_path)] == [0, 1, 2, 3]


def test_torchrun_ranks_that_are_no_python_are_captured_too(hosts4: Hosts, tmp_path: Path) -> None:
    torchrun = launchers.Torchrun()
    require(launchers.why_missing(torchrun))
    results, captures = run_planned(hosts4, torchrun.commands(hosts4, programs.script("who.sh"), (2,)), tmp_path)
    assert captures == {Capture.REWRITTEN}
    assert results[0].returncode == 0
    assert [rank for rank, _, _ in ranks_noted(tmp_path)] == [0, 1]


def test_torchrun_inside_srun_has_its_ranks_captured_and_not_itself(
    slurm4: Slurm, hosts4: Hosts, tmp_path: Path
) -> None:
    torchrun, srun = launchers.Torchrun(), launchers.Srun(slurm4)
    require(launchers.why_missing(torchrun))
    (inner,) = torchrun.commands(hosts4, [str(programs.SOURCES / "ticker.py"), "1"], (2,))
    (outer,) = srun.commands(hosts4, inner.argv, (1,))
    results, captures = run_planned(hosts4, [outer], tmp_path)
    assert captures == {Capture.HOOKED}
    assert results[0].returncode == 0
    assert [rank for rank, _, _ in ranks_noted(tmp_path)] == [0, 1]


def test_srun_that_exports_nothing_still_tells_the_ranks_their_run(
    slurm4: Slurm, hosts4: Hosts, tmp_path: Path
) -> None:
    (command,) = launchers.Srun(slurm4).commands(hosts4, programs.script("who.sh"), (1, 1))
    argv = (command.argv[0], "--export=NONE", *command.argv[1:])
    (result,), _ = run_planned(hosts4, [HostCommand(0, argv, command.env)], tmp_path)
    assert result.returncode == 0
    assert ranks_noted(tmp_path) == [(0, "r1", "node0"), (1, "r1", "node1")]


def test_mpirun_inside_a_script_has_its_ranks_captured(hosts4: Hosts, tmp_path: Path) -> None:
    for launcher in (launchers.OpenMPI4(), launchers.OpenMPI5()):
        require(launchers.why_missing(launcher))
        (command,) = launcher.commands(hosts4, programs.script("who.sh"), (2, 2))
        script = HostCommand(0, ("sh", "-c", '"$@"', "sh", *command.argv), command.env)
        notes = tmp_path / launcher.name
        notes.mkdir()
        (result,), captures = run_planned(hosts4, [script], notes)
        assert captures == {Capture.SINGLE}
        assert result.returncode == 0
        assert [rank for rank, _, _ in ranks_noted(notes)] == [0, 1, 2, 3]


def run_planned(
    hosts: Hosts, commands: Sequence[HostCommand], notes: Path
) -> tuple[list[subprocess.CompletedProcess[str]], set[Capture]]:
    """Run the commands of a job as `ranklog run` would, and tell how they are captured."""
    settings = {"RANKLOG_RUN_ID": "r1", "RANKLOG_SPOOL": str(notes)}
    planned, captures = [], set()
    for command in commands:
        program = ambiguous_launcher(command.argv)
        version = hosts.run(0, program, "--version").stdout if program else ""
        plan = plan_command(command.argv, EXEC, settings, version=version, environment=command.env)
        planned.append(HostCommand(command.host, plan.argv, {**command.env, **plan.environment}))
        captures.add(plan.capture)
    return launchers.run(hosts, planned), captures


def ranks_noted(notes: Path) -> list[tuple[int, str, str]]:
    """Read what the stand-in noted of ranks: their number, their run, and on which host."""
    found = []
    for note in notes.iterdir():
        for line in note.read_text().splitlines():
            rank, run, _ = line.split(" ", 2)
            if rank != "x":
                found.append((int(rank), run, note.name.partition("-")[0]))
    return sorted(found)
