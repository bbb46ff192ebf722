"""`ranklog run` around a launcher that starts ranks on other hosts: each node has an agent, unasked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ranklog_collector.reading.processes import ProcessState, processes
from ranklog_collector.reading.verify import verify
from tests.support import launchers, programs
from tests.support.hosts import Hosts
from tests.support.launchers import Launcher
from tests.support.ranklog_run import Result, command, environment
from tests.system.conftest import require

OVER_HOSTS = ("openmpi4", "openmpi5", "mpich5", "slurm")
SPOOL = "ranklog-spool"
LINES = 20_000


def run(launcher: Launcher, hosts: Hosts, folder: Path, program: list[str], per_host: tuple[int, ...]) -> Result:
    """Run a job from the first host; run folders are seen by all hosts, spools only by their own."""
    (job,) = launcher.commands(hosts, program, per_host)
    words = ["env", "-C", str(folder), *command("--no-watch", "--", *job.argv)]
    settings = {**environment(folder), "RANKLOG_SPOOL": f"/tmp/{SPOOL}", **job.env}
    done = hosts.run(0, *words, env=settings, check=False)
    return Result(folder, done.returncode, done.stdout, done.stderr)


def agents_said(hosts: Hosts, host: int) -> str:
    """What the agents that ranks on a host have started had to say."""
    logs = hosts.tmp(host).glob(f"{SPOOL}/*/agents/{hosts.names[host]}.log")
    return "".join(log.read_text() for log in logs)


def nodes(result: Result) -> dict[str, int]:
    """How many ranks each host had."""
    found = [view.node for view in processes(result.run.state) if view.rank is not None]
    return {name: found.count(name) for name in found}


@pytest.mark.parametrize("launcher", OVER_HOSTS, indirect=True)
def test_every_node_comes_home_with_one_agent_each(launcher: Launcher, hosts4: Hosts, tmp_path: Path) -> None:
    program = [*programs.script("spam.sh"), str(LINES)]
    result = run(launcher, hosts4, tmp_path, program, (1, 2, 1))
    assert result.code == 0, result.err
    assert "every checksum agrees" in result.err
    assert nodes(result) == {"node0": 1, "node1": 2, "node2": 1}
    assert verify(result.run).is_intact
    # A launcher may have something to say of its own.
    assert len(re.findall(r"^\[[0-3]\] +rank ", result.out, re.MULTILINE)) == 4 * LINES
    assert agents_said(hosts4, 0) == "", "this host's agent is not a rank's to start"
    for host in (1, 2):
        assert agents_said(hosts4, host).count("ranklog agent: agent 0") == 1
        assert "agent leaves: ended" in agents_said(hosts4, host)
    assert list((tmp_path / "runs").glob(".token*")) == []


@pytest.mark.parametrize("launcher", OVER_HOSTS, indirect=True)
def test_a_rank_killed_on_another_host_has_its_last_line_here(
    launcher: Launcher, hosts4: Hosts, tmp_path: Path
) -> None:
    result = run(launcher, hosts4, tmp_path, [*programs.script("pyfail.py"), "kill", "2"], (1, 2))
    assert result.code != 0
    assert "every checksum agrees" in result.err, result.err
    (killed,) = [view for view in processes(result.run.state) if view.rank == 2]
    assert (killed.node, killed.state, killed.signal) == ("node1", ProcessState.FAILED, 9)
    assert "rank 2 LAST LINE before kill" in result.out
    assert re.search(r"failure +rank 2 \(.*\) was killed by SIGKILL at ", result.err)


def test_a_host_that_ranks_alone_are_on_comes_home(hosts4: Hosts, tmp_path: Path) -> None:
    launcher = launchers.OpenMPI4()
    require(launchers.why_missing(launcher))
    result = run(launcher, hosts4, tmp_path, [*programs.script("ticker.py"), "1", "0.1"], (0, 2))
    assert result.code == 0, result.err
    assert "every checksum agrees" in result.err
    assert nodes(result) == {"node1": 2}


def test_a_job_whose_ranks_cannot_start_ends_as_its_launcher_does(hosts4: Hosts, tmp_path: Path) -> None:
    launcher = launchers.OpenMPI4()
    require(launchers.why_missing(launcher))
    hosts4.crash(1)
    result = run(launcher, hosts4, tmp_path, ["true"], (1, 1))
    assert result.code != 0
    assert "result    failed" in result.err
    assert "[mpirun]" in result.out


def test_whoever_finds_the_port_needs_the_token(hosts4: Hosts, tmp_path: Path) -> None:
    launcher = launchers.OpenMPI4()
    require(launchers.why_missing(launcher))
    stranger = f"exec timeout 20 {command()[0]} agent --node-id stranger --spool /tmp/stranger"
    result = run(launcher, hosts4, tmp_path, ["sh", "-c", stranger], (0, 1))
    assert "the collector refuses this agent" in result.out, result.out
    assert result.run.state.nodes.keys() == {"node0", "node1"}
