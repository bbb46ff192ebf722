"""`ranklog run` around real launchers: the command is not edited, each rank is told apart, each line is shown once."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from ranklog_collector.core.verdict.finding import Category, Status
from ranklog_collector.reading.processes import ProcessState, processes
from ranklog_collector.reading.verify import verify
from ranklog_collector.verdict import judge
from tests.support import launchers, programs
from tests.support.hosts import Hosts
from tests.support.launchers import OMPI_AS_ROOT
from tests.support.ranklog_run import CTRL_C, LiveRun, Result, command, environment, python, ranklog_run
from tests.support.slurm import Slurm
from tests.system.conftest import require

OPEN_MPI_4 = launchers.OpenMPI4()
OPEN_MPI_5 = launchers.OpenMPI5()
COMMANDS = {
    "openmpi4": (OPEN_MPI_4, ["-n", "4", "--oversubscribe"]),
    "openmpi5": (OPEN_MPI_5, ["-n", "4", "--map-by", ":OVERSUBSCRIBE"]),
    "mpich5": (launchers.MPICH5(), ["-n", "4"]),
    "mpich4": (launchers.MPICH4(), ["-n", "4"]),
    "torchrun": (launchers.Torchrun(), ["--standalone", "--nproc-per-node=4"]),
}
OVERSUBSCRIBED = {
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":OVERSUBSCRIBE",
}
MPI = ("openmpi4", "openmpi5", "mpich5", "mpich4")


def words_of(name: str) -> list[str]:
    """The launcher's command up to the program, for four ranks on this machine."""
    launcher, options = COMMANDS[name]
    require(launchers.why_missing(launcher))
    return [str(launcher.program), *options]


def run(root: Path, name: str, program: Sequence[str]) -> Result:
    return ranklog_run(root, "--", *words_of(name), *program, more=OMPI_AS_ROOT)


def ticker(name: str) -> list[str]:
    """A program of two lines; torchrun starts scripts by itself."""
    words = [*programs.script("ticker.py"), "1", "0.1"]
    return words[1:] if name == "torchrun" else words


@pytest.mark.parametrize("name", COMMANDS)
def test_every_rank_is_told_apart_and_every_line_shown_once(name: str, tmp_path: Path) -> None:
    result = run(tmp_path, name, ticker(name))
    assert result.code == 0, result.err
    # A rank's first line may come before it is known how wide the names of all are.
    shown = [re.sub(r" +", " ", line, count=1) for line in result.out.splitlines() if re.match(r"\[\d\]", line)]
    expected = [f"[{rank}] rank {rank} {words}" for rank in range(4) for words in ("tick 0", "finished")]
    assert sorted(shown) == sorted(expected)
    assert not re.search(r"^\[(mpi|torch|pid)\w+\] +rank", result.out, re.MULTILINE)
    for rank in range(4):
        log = result.file(f"azureml-logs/70_driver_log_{rank}.txt")
        assert log == f"rank {rank} tick 0\nrank {rank} finished\n".encode()
    views = processes(result.run.state)
    assert [(view.rank, view.state) for view in views] == [
        *((rank, ProcessState.COMPLETED) for rank in range(4)),
        (None, ProcessState.COMPLETED),
    ]
    if name in MPI:
        assert b"rank" not in result.file("azureml-logs/70_mpi_log.txt"), "it is for the launcher's own words"
    assert verify(result.run).is_intact
    assert "every checksum agrees" in result.err


@pytest.mark.parametrize("name", MPI)
def test_what_an_mpi_launcher_says_is_in_its_log_and_shown_under_its_name(name: str, tmp_path: Path) -> None:
    source = "import os, time; time.sleep(0.5); os.kill(os.getpid(), 9) if '--bad' in os.sys.argv else time.sleep(60)"
    segments = ["-n", "1", *python(source), ":", "-n", "1", *python(source), "--bad"]
    result = ranklog_run(tmp_path, "--", words_of(name)[0], *segments, more={**OMPI_AS_ROOT, **OVERSUBSCRIBED})
    assert result.code != 0
    assert re.search(r"failure +rank 1 \(.*\) was killed by SIGKILL at ", result.err)
    said = result.file("azureml-logs/70_mpi_log.txt").decode()
    assert re.search(r"signal 9|KILLED|EXIT CODE: 9", said)
    line = next(line for line in said.splitlines() if re.search(r"signal 9|KILLED|EXIT CODE: 9", line))
    assert re.search(r"^\[mpi\w+\] +" + re.escape(line.strip()[:40]), result.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "asks"),
    [*((name, "Ctrl-C") for name in ("openmpi4", "openmpi5", "mpich5")), ("openmpi4", "SIGTERM")],
)
def test_a_job_that_somebody_ends_was_canceled(name: str, asks: str, tmp_path: Path) -> None:
    words = [*words_of(name), *programs.script("ticker.py"), "6000", "0.1"]
    with LiveRun(tmp_path, "--", *words, more=OMPI_AS_ROOT) as live:
        live.wait_for("rank 3 tick 3")
        if asks == "Ctrl-C":
            live.press(CTRL_C)
        else:
            live.send(signal.SIGTERM)
        result = live.end()
    assert result.code != 0
    assert "every checksum agrees" in result.out
    assert {view.state for view in processes(result.run.state) if view.rank is not None} == {ProcessState.TERMINATED}
    assert result.run.state.state == "canceled"
    assert re.search("stopped by SIG(INT|TERM) after", result.out)
    verdict = judge(result.run)
    assert (verdict.status, verdict.category) == (Status.CANCELED, Category.CANCELED), verdict


def test_a_launcher_whose_ranks_cannot_be_captured_is_told(tmp_path: Path) -> None:
    words = [*words_of("openmpi4")[:1], "-mca", "orte_fork_agent", "env", "-n", "1"]
    result = ranklog_run(tmp_path, "--", *words, "echo", "hello", more=OMPI_AS_ROOT)
    assert result.code == 0
    assert "The ranks are not captured: the command has a fork agent of its own" in result.err
    assert "[mpirun] hello\n" in result.out


def test_a_user_who_puts_exec_into_the_command_gets_every_line_once(tmp_path: Path) -> None:
    ranklog = str(Path(programs.script("ticker.py")[0]).with_name("ranklog"))
    words = [*words_of("openmpi4"), ranklog, "exec", "--", *ticker("openmpi4")]
    result = ranklog_run(tmp_path, "--", *words, more=OMPI_AS_ROOT)
    assert result.out.count("finished") == 4
    assert len(list((result.folder / "azureml-logs").glob("70_driver_log_*.txt"))) == 4


def test_a_launcher_inside_a_script_has_its_ranks_captured(tmp_path: Path) -> None:
    words = words_of("openmpi4")
    result = ranklog_run(
        tmp_path, "--", "sh", "-c", 'echo script; "$@"', "sh", *words, *ticker("openmpi4"), more=OMPI_AS_ROOT
    )
    assert result.out.count("finished") == 4
    assert "script" in result.out
    assert "0-3" in result.err or all(f"\n{rank} " in result.err for rank in range(4))


def test_srun_has_its_tasks_captured(slurm4: Slurm, hosts4: Hosts, tmp_path: Path) -> None:
    words = ["srun", "--nodelist=node0", "--ntasks=2", "--overcommit", *programs.script("ticker.py"), "1", "0.1"]
    done = hosts4.run(
        0, "env", "-C", str(tmp_path), *command("--", *words), env={**environment(tmp_path), **slurm4.environment}
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        f"[{rank}]   rank {rank} {words}" for rank in range(2) for words in ("finished", "tick 0")
    ]
    assert "every checksum agrees" in done.stderr


def test_ranks_on_hosts_without_an_agent_are_missed(hosts4: Hosts, tmp_path: Path) -> None:
    require(launchers.why_missing(OPEN_MPI_4))
    for per_host, warning in (((2, 2), "nothing has come of rank 2-3"), ((0, 2), "no rank was captured")):
        (mpirun,) = OPEN_MPI_4.commands(hosts4, ticker("openmpi4"), per_host)
        words = command("--no-watch", "--", *mpirun.argv)
        nobody = {**own_spool(tmp_path), "RANKLOG_AGENT": "none"}
        done = hosts4.run(0, "env", "-C", str(tmp_path), *words, env={**nobody, **mpirun.env})
        assert done.returncode == 0, done.stderr
        assert warning in " ".join(done.stderr.split())
        assert "every checksum agrees" not in done.stderr


def own_spool(root: Path) -> dict[str, str]:
    """An environment in which each host has its spool in its own /tmp."""
    return {**environment(root), "RANKLOG_SPOOL": "/tmp/ranklog-spool"}
