"""Hosts, links, agents and the collector fail in the middle of a job; nothing is lost, doubled or blocked by it."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ranklog_collector.core.verdict.finding import Category, Status
from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.verdict import judge
from tests.support import launchers, programs
from tests.support.cluster import COLLECTOR_PORT, Cluster, Run, captured, sized, wait_until
from tests.support.launchers import Launcher
from tests.system.conftest import require

TICK_S = 0.2
CUT_S = sized(30.0, 6.0)
TICKS = sized(240, 60)
LOST_WITHIN_S = 10.0
"""Twice what is meant: the machine may have much else to do."""
SPAM_LINES = sized(100_000, 20_000)
CUT_OFF, BYSTANDER = 1, 2
"""Hosts, and the ranks on them."""


@pytest.fixture
def mpirun() -> Launcher:
    """The launcher where it does not matter which."""
    require(launchers.why_missing(launchers.OpenMPI4()))
    return launchers.OpenMPI4()


@pytest.mark.parametrize("cut", ["its link is down", "only the collector's port is blocked"])
def test_a_host_that_is_cut_off_is_lost_and_comes_back_with_everything(
    cut: str, mpirun: Launcher, cluster4: Cluster
) -> None:
    program = captured([*programs.script("ticker.py"), str(TICKS), str(TICK_S)])
    with Run(cluster4, range(4)) as run:
        (job,) = run.start(mpirun.commands(cluster4.hosts, program, (1, 1, 1, 1)), timeout_s=240)
        wait_until(lambda: all(ticks(run, rank) > 5 for rank in range(4)), "all ranks tick")
        with cut_off(cluster4, cut):
            cut_at = time.monotonic()
            lost_s = wait_until(lambda: is_lost(run), "the host is lost")
            seen = ticks(run, CUT_OFF), ticks(run, BYSTANDER)
            wait_until(lambda: ticks(run, BYSTANDER) > seen[1] + 5, "ranks on other hosts go on")
            assert run.ranks[BYSTANDER].state is ProcessState.RUNNING
            assert ticks(run, CUT_OFF) == seen[0]
            assert "is lost since" in cluster4.command("ps", run.run_id)
            check_verdict(run)
            time.sleep(max(0.0, cut_at + CUT_S - time.monotonic()))
        back_s = wait_until(lambda: not is_lost(run), "the host is back")
        assert job.wait() == 0
        run.await_end()
        run.prove()
        for rank in range(4):
            assert run.lines(rank) == [*(f"rank {rank} tick {tick}" for tick in range(TICKS)), f"rank {rank} finished"]
        assert run.state.state == "completed"
        assert re.findall(r"node (\w+) \S+ is lost", run.events) == [f"node{CUT_OFF}"]
        print(f"{cut} for {CUT_S} s: lost after {lost_s:.1f} s, back {back_s:.1f} s after its end")
    assert lost_s <= LOST_WITHIN_S


@pytest.mark.parametrize("launcher", ["openmpi4", "openmpi5", "mpich5", "slurm"], indirect=True)
def test_a_host_that_crashes_is_lost_and_what_it_had_sent_is_kept(launcher: Launcher, cluster4: Cluster) -> None:
    program = captured([*programs.script("ticker.py"), "600", str(TICK_S)])
    with Run(cluster4, (0, 1, 2)) as run:
        run.start(launcher.commands(cluster4.hosts, program, (1, 1, 1)))
        wait_until(lambda: all(ticks(run, rank) > 5 for rank in range(3)), "all ranks tick")
        had_come = run.output(CUT_OFF)
        cluster4.hosts.crash(CUT_OFF)
        lost_s = wait_until(lambda: is_lost(run), "the host is lost")
        kept = run.output(CUT_OFF)
        assert kept.startswith(had_come)
        assert kept == every_tick(CUT_OFF)[: len(kept)]
        lost_with_it = f"rank_{CUT_OFF} on node node{CUT_OFF} is lost with its node"
        wait_until(lambda: lost_with_it in run.events, "execution.txt tells of it")
        assert re.findall(r"node (\w+) \S+ is lost", run.events) == [f"node{CUT_OFF}"]
        table = cluster4.command("ps", run.run_id)
        assert re.search(rf"rank_{CUT_OFF} .*\bLost\b", table), table
        assert "node node1 (10.77.0.11) is lost since" in table
        check_verdict(run)
        states = {rank: run.ranks[rank].state for rank in (0, BYSTANDER)}
        assert set(states.values()) <= {ProcessState.RUNNING, ProcessState.TERMINATED}
        print(f"{launcher.name}: lost after {lost_s:.1f} s, {ticks(run, CUT_OFF)} ticks kept, others {states}")
    assert lost_s <= LOST_WITHIN_S


def test_a_collector_that_is_killed_holds_no_rank_up_and_gets_everything_later(
    mpirun: Launcher, cluster4: Cluster
) -> None:
    with Run(cluster4, (0, 1)) as run:
        (job,) = run.start(mpirun.commands(cluster4.hosts, spam(run), (2, 2)))
        wait_until(lambda: collected_bytes(run) > 0, "the first lines have come")
        cluster4.collector.kill()
        had_come = collected_bytes(run)
        assert job.wait() == 0, "the ranks waited for the collector"
        cluster4.start_collector()
        run.await_end()
        check_spam(run)
        print(f"collector killed at {had_come} of {4 * len(every_line(0))} bytes")


def test_an_agent_that_is_killed_holds_no_rank_up_and_the_next_one_sends_the_rest(
    mpirun: Launcher, cluster4: Cluster
) -> None:
    with Run(cluster4, (0, 1)) as run:
        (job,) = run.start(mpirun.commands(cluster4.hosts, spam(run), (2, 2)))
        wait_until(lambda: collected_bytes(run) > 0, "the first lines have come")
        run.agents[1].kill()
        had_come = collected_bytes(run)
        assert job.wait() == 0, "the ranks waited for the agent"
        run.agents[1].start()
        run.await_end()
        check_spam(run)
        print(f"agent killed at {had_come} of {4 * len(every_line(0))} bytes")


@contextmanager
def cut_off(cluster: Cluster, cut: str) -> Iterator[None]:
    """Cut a host off in one of two ways."""
    if cut == "its link is down":
        cluster.hosts.link_down(CUT_OFF)
        yield
        cluster.hosts.link_up(CUT_OFF)
    else:
        cluster.hosts.drop(CUT_OFF, 0, COLLECTOR_PORT)
        yield
        cluster.hosts.undrop(CUT_OFF)


def is_lost(run: Run) -> bool:
    """Whether the host counts as lost, and so does its rank."""
    is_lost = run.state.node(f"node{CUT_OFF}").event == "lost"
    return is_lost and run.ranks[CUT_OFF].state is ProcessState.LOST


def check_verdict(run: Run) -> None:
    """It names the host, with what was heard of it last."""
    verdict = judge(run.folder)
    (culprit,) = verdict.culprits
    found = verdict.status, culprit.category, culprit.node, culprit.ip
    assert found == (Status.SUSPECT, Category.NODE_LOST, f"node{CUT_OFF}", f"10.77.0.1{CUT_OFF}"), verdict
    assert [quote.text for quote in culprit.last_words] == run.lines(CUT_OFF)[-1:], verdict


def ticks(run: Run, rank: int) -> int:
    """How many of a rank's ticks have come."""
    return run.output(rank).count(b"tick") if rank in run.ranks else 0


def every_tick(rank: int) -> bytes:
    """More than a ticker can print in the time."""
    return b"".join(b"rank %d tick %d\n" % (rank, tick) for tick in range(600))


def spam(run: Run) -> list[str]:
    """Ranks that need nobody to tell them of their run, for nobody may be there when they start."""
    return captured([*programs.script("spam.sh"), str(SPAM_LINES)], "--run", run.run_id)


def every_line(rank: int) -> bytes:
    """What spam.sh prints."""
    return b"".join(b"rank %d line %d %b\n" % (rank, line, b"x" * 53) for line in range(1, SPAM_LINES + 1))


def collected_bytes(run: Run) -> int:
    return sum(len(run.output(rank)) for rank in run.ranks)


def check_spam(run: Run) -> None:
    """All lines of all ranks are there, once and in order."""
    run.prove()
    assert sorted(run.ranks) == list(range(4))
    for rank in range(4):
        found, expected = run.output(rank).splitlines(), every_line(rank).splitlines()
        first = next((at for at, (one, two) in enumerate(itertools.zip_longest(found, expected)) if one != two), None)
        assert first is None, f"rank {rank}: {len(found)} lines of {len(expected)}, line {first}: {found[first:][:1]}"
