"""Hosts whose clocks differ, and jobs that share their hosts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import launchers, programs
from tests.support.cluster import RANKLOG, Cluster, Run, captured, wait_until
from tests.support.launchers import Launcher
from tests.support.skew import skewed, skewed_on, why_no_skew
from tests.system.conftest import require

AHEAD_S = 3.7
TURNS, PAUSE_S = 12, 0.25
SLACK_TURNS = 2
"""A busy machine may let an agent hear so late of a line."""


@pytest.fixture
def mpirun() -> Launcher:
    """The launcher where it does not matter which."""
    require(launchers.why_missing(launchers.OpenMPI4()))
    return launchers.OpenMPI4()


def test_a_clock_that_is_ahead_is_measured_warned_of_and_corrected(
    mpirun: Launcher, cluster4: Cluster, tmp_path: Path
) -> None:
    require(why_no_skew())
    shared = tmp_path / "turns"
    shared.touch()
    ranks = captured([*programs.script("turns.py"), str(shared), "2", str(TURNS), str(PAUSE_S)])
    with Run(cluster4, (0, 1), environments={1: skewed(AHEAD_S)}) as run:
        wait_until(lambda: run.state.node("node1").clock.measurements, "the clock has been measured")
        assert run.finish(mpirun.commands(cluster4.hosts, skewed_on("node1", AHEAD_S, ranks), (1, 1))) == [0]
        run.prove()
        clock = run.state.node("node1").clock
        assert abs(clock.offset_ns / 1e9 + AHEAD_S) < 0.05, clock
        assert "warning: the clock of node node1 is 3." in run.events
        assert "s ahead of the collector's; times are corrected" in cluster4.command("ps", run.run_id)
        shown = [json.loads(line) for line in cluster4.command("logs", run.run_id, "--json").splitlines()]
        turns = [int(line["text"].removeprefix("turn ")) for line in shown]
        assert sorted(turns) == list(range(TURNS))
        early = [(place, turn) for place, turn in enumerate(turns) if abs(turn - place) > SLACK_TURNS]
        assert not early, turns
        print(f"offset {clock.offset_ns / 1e9:.4f} s ± {clock.error_ns / 1e9:.4f} s; order shown: {turns}")
        check_that_no_process_ends_before_it_starts(run)


def test_two_jobs_on_the_same_hosts_do_not_mix(mpirun: Launcher, cluster4: Cluster) -> None:
    program = programs.script("pyfail.py")
    told_by_option = [RANKLOG, "exec", "--run", "first", "--", *program, "none", "0"]
    told_by_variable = captured([*program, "exit7", "1"])
    with Run(cluster4, (0, 1), run_id="first") as first, Run(cluster4, (0, 1), run_id="second") as second:
        (with_option,) = mpirun.commands(cluster4.hosts, told_by_option, (1, 1))
        (plain,) = mpirun.commands(cluster4.hosts, told_by_variable, (2, 1))
        with_variable = replace(plain, env={**plain.env, "OMPI_MCA_ranklog_run_id": "second"})
        jobs = [*first.start([with_option]), *second.start([with_variable])]
        assert [job.wait() for job in jobs] == [0, 7]
        for run, ranks in ((first, [0, 1]), (second, [0, 1, 2])):
            run.await_end()
            run.prove()
            assert sorted(run.ranks) == ranks
            assert not [view.name for view in run.processes if view.rank is None or view.attempt > 1]
        assert first.lines(1)[-1] == "rank 1 finished"
        assert second.lines(1)[-1] == "rank 1 LAST LINE before exit7"
        assert (first.state.state, second.state.state) == ("completed", "failed")


def check_that_no_process_ends_before_it_starts(run: Run) -> None:
    times: dict[str, list[str]] = {}
    for line in (run.path / "azureml-logs" / "process_status.json").read_text().splitlines():
        event = json.loads(line)
        times.setdefault(event["process_name"], []).append(event["timestamp"])
    assert all(sorted(each) == each for each in times.values()), times
