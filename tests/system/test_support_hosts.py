"""The simulated hosts do to a job what the tests that use them rely on."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support import launchers, programs
from tests.support.hosts import REPOSITORY, HostProcess, Hosts
from tests.support.launchers import Launcher
from tests.system.conftest import require

DEADLINE_S = 30


def test_every_launcher_starts_its_ranks_on_the_hosts_it_is_told(launcher: Launcher, hosts4: Hosts) -> None:
    commands = launcher.commands(hosts4, programs.script("who.sh"), (2, 0, 2))
    results = launchers.run(hosts4, commands)
    assert [result.returncode for result in results] == [0] * len(commands)
    said = "".join(result.stdout for result in results)
    where = {int(rank): host for rank, host in re.findall(r"hello out (\d) on (\w+)", said)}
    assert [where[rank] for rank in range(4)] == ["node0", "node0", "node2", "node2"]


def test_mpi_ranks_speak_to_each_other_over_the_simulated_network(hosts4: Hosts) -> None:
    for launcher in (launchers.OpenMPI4(), launchers.OpenMPI5(), launchers.MPICH5()):
        require(launchers.why_missing(launcher))
        assert launcher.mpicc
        program = [str(programs.compiled("rankc", launcher.mpicc)), "ok"]
        (result,) = launchers.run(hosts4, launcher.commands(hosts4, program, (1, 1, 1, 1)))
        assert (result.returncode, result.stdout.count("done rank=")) == (0, 4), launcher.name


def test_a_host_whose_link_is_down_cannot_be_reached_until_it_is_up_again(hosts4: Hosts) -> None:
    with listener(hosts4, 1, 7070):
        hosts4.link_down(1)
        assert not can_connect(hosts4, 0, 1, 7070)
        hosts4.link_up(1)
        wait_for(lambda: can_connect(hosts4, 0, 1, 7070))


def test_dropping_a_port_between_two_hosts_leaves_everything_else(hosts4: Hosts) -> None:
    with listener(hosts4, 1, 7070), listener(hosts4, 1, 7071):
        hosts4.drop(1, 0, 7070)
        assert not can_connect(hosts4, 0, 1, 7070)
        assert can_connect(hosts4, 0, 1, 7071)
        assert can_connect(hosts4, 2, 1, 7070)
        hosts4.undrop(1)
        assert can_connect(hosts4, 0, 1, 7070)


def test_a_crashed_host_takes_its_processes_and_no_others(hosts4: Hosts) -> None:
    victim, bystander = hosts4.popen(1, "sleep", "600"), hosts4.popen(2, "sleep", "600")
    hosts4.crash(1)
    assert victim.wait(DEADLINE_S) == -signal.SIGKILL
    assert bystander.poll() is None
    bystander.kill()
    assert bystander.wait(DEADLINE_S) == -signal.SIGKILL


def test_a_slowed_host_sends_at_its_limit(hosts4: Hosts) -> None:
    hosts4.rate(0, "1mbit")
    assert hosts4.run(0, "tc", "qdisc", "show", "dev", "eth0").stdout.startswith("qdisc tbf")
    hosts4.unrate(0)
    assert "tbf" not in hosts4.run(0, "tc", "qdisc", "show", "dev", "eth0").stdout


def test_each_host_has_its_own_tmp_which_the_test_can_see(hosts4: Hosts, tmp_path: Path) -> None:
    hosts4.run(0, "touch", "/tmp/only-here", str(tmp_path / "everywhere"))
    assert hosts4.run(1, "ls", "/tmp/only-here", check=False).returncode != 0
    assert hosts4.run(1, "ls", str(tmp_path)).stdout == "everywhere\n"
    assert (hosts4.tmp(0) / "only-here").exists()


def test_signals_reach_the_process_on_the_host(hosts4: Hosts) -> None:
    program = str(programs.compiled("count_terms"))
    process = hosts4.popen(3, program, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.communicate(timeout=DEADLINE_S)[0] == b"terms=1 ints=0\n"


def test_nothing_is_left_when_the_test_itself_is_killed(hosts4: Hosts) -> None:
    code = """
from tests.support.hosts import Hosts
with Hosts(2) as hosts:
    process = hosts.popen(1, "sleep", "600")
    print(process.inner_pid, hosts.state, flush=True)
    process.wait()
"""
    test = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert test.stdout
    pid, state = test.stdout.readline().split()
    test.kill()
    test.communicate()
    wait_for(lambda: not Path("/proc", pid).exists() and not Path(state).exists())


class listener:  # noqa: N801 - reads as a statement
    """Something that listens on a port of a host."""

    def __init__(self, hosts: Hosts, host: int, port: int) -> None:
        self._where = hosts, host, port

    def __enter__(self) -> None:
        hosts, host, port = self._where
        self._process: HostProcess = hosts.popen(host, "socat", f"TCP-LISTEN:{port},fork,reuseaddr", "/dev/null")
        wait_for(lambda: can_connect(hosts, host, host, port))

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def can_connect(hosts: Hosts, source: int, target: int, port: int) -> bool:
    command = ("socat", "-u", "/dev/null", f"TCP:{hosts.ip(target)}:{port},connect-timeout=1")
    return hosts.run(source, *command, check=False).returncode == 0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
