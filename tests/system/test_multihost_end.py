"""A sidecar ends when its node's part of the job has, neither sooner nor later, whatever becomes of the launcher."""

from __future__ import annotations

import signal
import time

import pytest

from ranklog_collector.reading.processes import ProcessState
from tests.support import launchers, programs
from tests.support.cluster import Cluster, Run, captured, sized, wait_until, with_options
from tests.support.launchers import Launcher
from tests.system.conftest import OVER_HOSTS, require

BEFORE_RANKS_S = sized(5.0, 2.0)
END_WITHIN_S = 40.0
"""Many times what is meant (two seconds): the machine may have much else to do, and torchrun may outlive its ranks.
An agent that waits for the wrong thing takes a minute or never ends."""
TICKS, TICK_S = 15, 0.2


@pytest.mark.parametrize("launcher", OVER_HOSTS, indirect=True)
def test_an_agent_waits_for_its_ranks_and_ends_soon_after_the_last(launcher: Launcher, cluster4: Cluster) -> None:
    with Run(cluster4, (0, 1)) as run:
        time.sleep(BEFORE_RANKS_S)
        assert all(agent.is_alive for agent in run.agents.values()), "an agent has not waited for its ranks"
        run.start(launcher.commands(cluster4.hosts, captured(programs.script("who.sh")), (2, 2)))
        ended_s = seconds_from_the_ranks_end_to_the_agents(run)
        run.await_end()
        assert sorted(run.ranks) == list(range(4))
        run.prove()
        print(f"{launcher.name}: the last agent ended {ended_s:.2f} s after the last rank")
    assert ended_s < END_WITHIN_S


@pytest.mark.parametrize("launcher", OVER_HOSTS, indirect=True)
def test_agents_end_although_the_launcher_was_killed(launcher: Launcher, cluster4: Cluster) -> None:
    program = captured([*programs.script("ticker.py"), str(TICKS), str(TICK_S)])
    with Run(cluster4, (0, 1)) as run:
        begun = run.start_to_be_killed(launcher.commands(cluster4.hosts, program, (1, 1)))
        wait_until(lambda: all_tick(run), "both ranks tick")
        for process in begun:
            process.kill()
        ended_s = seconds_from_the_ranks_end_to_the_agents(run)
        run.await_end()
        run.prove()
        states = {view.rank: (view.state.value, view.exit, view.bytes) for view in run.processes}
        print(f"{launcher.name}: the last agent ended {ended_s:.2f} s after the last rank; {states}")
    assert ended_s < END_WITHIN_S


def test_an_agent_that_is_told_to_end_sends_what_there_is_and_the_next_one_the_rest(cluster4: Cluster) -> None:
    launcher = launchers.OpenMPI4()
    require(launchers.why_missing(launcher))
    program = captured([*programs.script("ticker.py"), str(TICKS), str(TICK_S)])
    with Run(cluster4, (0, 1), options=("--grace", "0")) as run:
        (job,) = run.start(launcher.commands(cluster4.hosts, program, (1, 1)))
        wait_until(lambda: all_tick(run), "both ranks tick")
        agent = run.agents[1]
        agent.signal(signal.SIGTERM)
        assert agent.wait(END_WITHIN_S) == 0
        wait_until(lambda: run.state.node("node1").event == "left", "the collector knows that the agent has left")
        assert run.state.node("node1").undelivered == 0
        assert job.wait() == 0
        assert run.lines(1) == [f"rank 1 tick {tick}" for tick in range(len(run.lines(1)))]
        assert run.ranks[1].state is ProcessState.RUNNING, "nobody can know how the rank is"
        agent.start()
        run.await_end()
        run.prove()
        assert len(run.lines(1)) == TICKS + 1
        assert run.state.state == "completed"


def test_agents_wait_for_a_second_launch_and_one_that_was_killed_in_it_delivers_the_rest(cluster4: Cluster) -> None:
    launcher = launchers.OpenMPI4()
    require(launchers.why_missing(launcher))
    short = captured([*programs.script("ticker.py"), "1", "0"])
    long = captured([*programs.script("ticker.py"), str(TICKS), str(TICK_S)])
    with Run(cluster4, (0, 1)) as run:
        assert run.finish(launcher.commands(cluster4.hosts, short, (1, 1))) == [0]
        for agent in run.agents.values():
            agent.start()
        wait_until(lambda: run.state.state == "running", "an agent is back")
        (job,) = run.start(launcher.commands(cluster4.hosts, long, (1, 1)))
        wait_until(lambda: all_tick(run), "both ranks tick")
        run.agents[1].kill()
        assert job.wait() == 0
        run.agents[1].start()
        run.await_end()
        wait_until(lambda: run.state.state == "completed", "the run has ended anew")
        run.prove()
        lives = [(view.rank, view.life, view.state) for view in run.processes]
        assert sorted(lives) == [(rank, life, ProcessState.COMPLETED) for rank in (0, 1) for life in (0, 1)]
        assert len(run.lines(1)) == TICKS + 1


def test_a_restart_by_torchrun_does_not_end_the_agent(cluster4: Cluster) -> None:
    launcher = launchers.Torchrun()
    require(launchers.why_missing(launcher))
    attempt = "echo attempt $TORCHELASTIC_RESTART_COUNT of rank $RANK; exit $((1 - $TORCHELASTIC_RESTART_COUNT))"
    job = launcher.commands(cluster4.hosts, captured(["sh", "-c", attempt]), (1, 1))
    with Run(cluster4, (0, 1)) as run:
        assert run.finish(with_options(job, "--max-restarts=1")) == [0, 0]
        run.prove()
        for rank in (0, 1):
            attempts = [view for view in run.processes if view.rank == rank]
            said = [(run.path / view.log).read_text() for view in attempts]
            assert said == [f"attempt {attempt} of rank {rank}\n" for attempt in (0, 1)]
            assert attempts[1].state is ProcessState.COMPLETED
            assert attempts[1].log.endswith(f"70_driver_log_{rank}_attempt2.txt")
        assert run.state.state == "completed"


def all_tick(run: Run) -> bool:
    return sorted(run.ranks) == [0, 1] and all(len(run.lines(rank)) > 3 for rank in (0, 1))


def seconds_from_the_ranks_end_to_the_agents(run: Run) -> float:
    """Wait until all agents have ended; how long after the last of their processes that was."""
    wait_until(lambda: not any(agent.is_alive for agent in run.agents.values()), "the agents have ended")
    now_ns = time.time_ns()
    return (now_ns - max(view.ended_ns or now_ns for view in run.processes)) / 1e9
