"""What `ranklog ps` says of a job is what its process files say, and follows from evidence alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_collector.core import journal
from ranklog_collector.core.layout import Layout
from ranklog_collector.core.presence import FINAL, GONE_NS, NOT_STARTED, Node, Presence
from ranklog_collector.core.process_files import process_info, process_status, run_summary
from ranklog_collector.reading import replay
from ranklog_collector.reading.processes import ProcessState, processes
from ranklog_collector.reading.state import RunState
from tests.support.azureml_rules import azure_table, disagreements

S = 1_000_000_000
T0 = 1_795_000_000 * S


class Job:
    """A run as its collector decides on it, with the journal that comes of it."""

    def __init__(self) -> None:
        self.presence = Presence()
        self.now = T0
        self.journal: list[journal.Entry] = []
        self._record([journal.Run(1, "r1", "default", T0)])

    def joins(self, node: str, epoch: int = 1) -> None:
        self._record(self.presence.hello(Node(node, f"10.0.0.{node}", f"node{node}", epoch), self.now))

    def leaves(self, *nodes: str) -> None:
        for node in nodes:
            self._record(self.presence.goodbye(node, "ended", 0, self.now))

    def starts(self, node: str, key: str, **record: Any) -> None:
        self._record(self.presence.process(node, key, "started", {"start_ns": self.now, "pid": 7} | record, self.now))

    def ends(self, node: str, key: str, **record: Any) -> None:
        self._record(self.presence.process(node, key, "exited", {"end_ns": self.now} | record, self.now))

    def vanishes(self, node: str, key: str) -> None:
        self._record(self.presence.process(node, key, "vanished", {"end_ns": self.now}, self.now))

    def is_struck(self, node: str, key: str, signal: int = 15, **record: Any) -> None:
        """It is ended by a signal, and its `ranklog exec`, which lives on, got none."""
        self.ends(node, key, signal=signal, asked_signal=None, asked_ns=None, max_rss_bytes=1, **record)

    def is_asked(self, why: str, by: str = "") -> None:
        self._record([journal.Asked(why, by, self.now)])

    def clock(self, node: str, offset_ns: int) -> None:
        self._record(self.presence.clock(node, offset_ns, 1000, self.now))

    def passes(self, seconds: float, *talking: str) -> None:
        for _ in range(int(seconds * 2)):
            self.now += S // 2
            for node in talking:
                self._record(self.presence.heard(node, self.now))
            self._record(self.presence.tick(self.now))

    @property
    def state(self) -> str:
        return self.presence.state

    @property
    def seen(self) -> RunState:
        """As readers see it."""
        state = RunState()
        for entry in self.journal:
            parsed = journal.parse(journal.dump(entry))
            assert parsed is not None
            replay.apply(state, parsed)
        return state

    @property
    def states(self) -> dict[str, str]:
        """What `ranklog ps` says."""
        return {view.name: view.state.value for view in processes(self.seen)}

    def _record(self, entries: Iterable[journal.Entry]) -> None:
        for entry in entries:
            self.presence.apply(entry)
            self.journal.append(entry)


@pytest.fixture
def job() -> Job:
    """Two ranks on two nodes, both running."""
    job = Job()
    for rank, node in enumerate("01"):
        job.joins(node)
        job.starts(node, f"{rank}-a", rank=rank, world_size=2, launcher="torchrun")
    job.passes(1, "0", "1")
    return job


def check_that_all_agree(job: Job) -> None:
    """`ps`, and a reader of the process files by Azure ML's rules."""
    presence, seen = job.presence, job.seen
    info = process_info(presence, Layout(presence).log_of).decode()
    status = process_status(presence).decode()
    views = [view for view in processes(seen) if view.role != "launcher"]
    rows = azure_table(info, status) if info else []
    assert disagreements(rows, views) == []
    last = {line["process_name"]: line["status"] for line in map(json.loads, status.splitlines())}
    absent = {view.name for view in views if view.state is ProcessState.NOT_STARTED}
    assert {name for name, said in last.items() if said == "NotStarted"} == absent
    assert absent.isdisjoint({str(row[0]) for row in rows})
    has_ended = presence.state in FINAL
    assert (seen.has_ended, seen.state) == (has_ended, presence.state)
    assert (presence.state == NOT_STARTED) == (not len(presence.processes))
    if has_ended:
        assert not [row for row in rows if row[1] == "Started"]
        assert ProcessState.RUNNING not in {view.state for view in views}
    summary = json.loads(run_summary(journal.Run(1, "r1", "default", T0), presence, Layout(presence)))
    assert summary["processes"]["seen"] <= len(views)
    assert summary["processes"]["notstarted"] == len(absent)


NODES, KEYS = st.sampled_from("012"), st.sampled_from("abcdefgh")
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "rank": st.integers(0, 3),
        "world_size": st.integers(1, 4),
        "role": st.just("launcher"),
        "launcher": st.sampled_from(["openmpi", "torchrun", "slurm"]),
        "pid": st.integers(1, 3),
        "restart": st.integers(0, 2),
    },
)
ENDS = st.fixed_dictionaries(
    {},
    optional={
        "exit_code": st.sampled_from([0, 1, 3, 137, 143]),
        "signal": st.sampled_from([2, 9, 11, 15]),
        "oom_killed": st.booleans(),
        "asked_signal": st.sampled_from([None, 15]),
        "asked_ns": st.integers(T0, T0 + 100 * S),
        "max_rss_bytes": st.just(1),
        "end_ns": st.integers(T0, T0 + 100 * S),
    },
)
STEPS = st.one_of(
    st.tuples(st.just("joins"), NODES),
    st.tuples(st.just("leaves"), NODES),
    st.tuples(st.just("starts"), NODES, KEYS, RECORDS),
    st.tuples(st.just("ends"), NODES, KEYS, ENDS),
    st.tuples(st.just("vanishes"), NODES, KEYS),
    st.tuples(st.just("clock"), NODES, st.integers(-5 * S, 5 * S)),
    st.tuples(st.just("passes"), st.sampled_from([1, 5, 70]), st.lists(NODES, max_size=2)),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=40))
def test_whatever_happens_the_process_files_and_ps_agree(steps: list[tuple[Any, ...]]) -> None:
    job, known = Job(), set[str]()
    for action, *arguments in steps:
        if action == "passes":
            job.passes(arguments[0], *(node for node in arguments[1] if node in known))
            continue
        if arguments[0] not in known:
            job.joins(arguments[0])
            known.add(arguments[0])
        record = arguments.pop() if isinstance(arguments[-1], dict) else {}
        getattr(job, action)(*arguments, **record)
    check_that_all_agree(job)


def test_a_restart_is_another_life_of_the_same_run_which_ends_as_the_last_does(job: Job) -> None:
    job.ends("1", "1-a", exit_code=1)
    job.ends("0", "0-a", signal=15)
    # torchrun counts a restart only on the node whose worker failed.
    job.starts("0", "0-b", rank=0, world_size=2, launcher="torchrun", restart=0)
    job.starts("1", "1-b", rank=1, world_size=2, launcher="torchrun", restart=1)
    job.passes(1, "0", "1")
    assert [view.life for view in processes(job.seen)] == [0, 1, 0, 1]
    job.ends("0", "0-b", exit_code=0)
    job.ends("1", "1-b", exit_code=0)
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == "completed"
    assert job.states == {
        "rank_0": "Terminated",
        "rank_0_attempt2": "Completed",
        "rank_1": "Failed",
        "rank_1_attempt2": "Completed",
    }
    check_that_all_agree(job)


def test_a_job_that_goes_on_with_fewer_ranks_misses_none(job: Job) -> None:
    job.passes(5, "0")
    assert job.states == {"rank_0": "Running", "rank_1": "Lost"}
    job.ends("0", "0-a", signal=15)
    job.starts("0", "0-b", rank=0, world_size=1, launcher="torchrun")
    job.ends("0", "0-b", exit_code=0)
    job.leaves("0")
    job.passes(1)
    assert job.state == "finalizing"
    job.passes(GONE_NS / S + 1)
    assert job.state == "completed"
    assert job.states == {"rank_0": "Terminated", "rank_0_attempt2": "Completed", "rank_1": "Lost"}
    check_that_all_agree(job)


def test_a_rank_that_is_started_again_alone_leaves_the_others_in_their_place(job: Job) -> None:
    job.ends("1", "1-a", exit_code=1)
    job.passes(1, "0", "1")
    job.starts("1", "1-b", rank=1, world_size=2, launcher="torchrun")
    job.passes(1, "0", "1")
    job.ends("1", "1-b", exit_code=0)
    job.passes(1, "0", "1")
    assert job.state == "running"
    job.ends("0", "0-a", exit_code=3)
    job.passes(1, "0", "1")
    assert job.state == "finalizing"
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == "failed"


def test_a_run_that_had_ended_and_whose_job_is_requeued_goes_on_and_ends_anew(job: Job) -> None:
    for rank, node in enumerate("01"):
        job.ends(node, f"{rank}-a", signal=15)
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == "canceled"
    job.joins("0", epoch=2)
    job.joins("2")
    job.passes(2, "0", "2")
    assert job.state == "running", "its ranks are awaited"
    for rank, node in enumerate("02"):
        job.starts(node, f"{rank}-b", rank=rank, world_size=2, launcher="slurm", restart=1)
    job.passes(1, "0", "2")
    assert job.state == "running"
    check_that_all_agree(job)
    for rank, node in enumerate("02"):
        job.ends(node, f"{rank}-b", exit_code=0)
    job.leaves("0", "2")
    job.passes(1)
    assert job.state == "completed"
    check_that_all_agree(job)


def test_an_agent_that_comes_back_with_the_rest_does_not_begin_anything_anew(job: Job) -> None:
    for rank, node in enumerate("01"):
        job.ends(node, f"{rank}-a", exit_code=0)
    job.leaves("0", "1")
    job.passes(1)
    job.joins("1", epoch=2)
    job.passes(2, "1")
    job.leaves("1")
    job.passes(1)
    assert job.state == "completed"


def test_ranks_that_are_asked_to_end_and_do_so_in_their_own_way_are_terminated_and_the_run_canceled(job: Job) -> None:
    asked_ns = job.now
    job.passes(1, "0", "1")
    job.ends("0", "0-a", exit_code=1, asked_signal=15, asked_ns=asked_ns)
    job.ends("1", "1-a", exit_code=1)  # it had lost its peer before it was asked
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == "canceled"
    assert job.states == {"rank_0": "Terminated", "rank_1": "Failed"}
    check_that_all_agree(job)


def test_ranks_that_are_asked_to_end_since_another_has_failed_are_terminated_and_the_run_failed(job: Job) -> None:
    job.ends("1", "1-a", exit_code=1)
    job.passes(1, "0", "1")
    job.ends("0", "0-a", exit_code=1, asked_signal=15, asked_ns=job.now)
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == "failed"
    assert job.states == {"rank_0": "Terminated", "rank_1": "Failed"}


@pytest.mark.parametrize(("asked", "state"), [({}, "failed"), ({"asked_signal": 15, "asked_ns": T0 + S}, "canceled")])
def test_a_launcher_that_was_asked_to_end_ends_a_run_that_was_canceled(
    job: Job, asked: dict[str, int], state: str
) -> None:
    job.starts("0", "p-l", role="launcher")
    job.ends("0", "0-a", signal=15)
    job.ends("1", "1-a", signal=15)
    job.ends("0", "p-l", exit_code=1, **asked)
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == state
    check_that_all_agree(job)


def test_ranks_that_are_asked_to_end_since_a_node_is_gone_do_not_make_the_run_canceled(job: Job) -> None:
    job.ends("0", "0-a", exit_code=1, asked_signal=15, asked_ns=job.now)
    job.leaves("0")
    job.passes(GONE_NS / S + 10)
    assert (job.states, job.state) == ({"rank_0": "Terminated", "rank_1": "Lost"}, "lost")
    check_that_all_agree(job)


def test_ranks_that_a_launcher_kills_since_it_was_asked_to_end_are_terminated(job: Job) -> None:
    job.starts("0", "p-l", role="launcher")
    asked_ns = job.now
    job.passes(1, "0", "1")
    job.ends("0", "0-a", signal=9)
    job.ends("1", "1-a", signal=9)
    assert sorted(state for name, state in job.states.items() if name != "launcher_7") == ["Failed", "Failed"]
    job.ends("0", "p-l", exit_code=1, asked_signal=2, asked_ns=asked_ns)
    job.leaves("0", "1")
    job.passes(1)
    assert (job.states["rank_0"], job.states["rank_1"], job.state) == ("Terminated", "Terminated", "canceled")
    check_that_all_agree(job)


def test_a_rank_that_aborts_the_job_has_failed_though_its_launcher_asks_it_to_end_as_well() -> None:
    job = Job()
    job.joins("0")
    for rank in (0, 1):
        job.starts("0", f"{rank}-a", rank=rank, world_size=2, launcher="openmpi")
    job.ends("0", "1-a", exit_code=42, asked_signal=15, asked_ns=job.now)
    job.passes(1, "0")
    job.ends("0", "0-a", exit_code=1, asked_signal=15, asked_ns=job.now)
    job.leaves("0")
    job.passes(1)
    assert job.state == "failed"
    assert job.states == {"rank_0": "Terminated", "rank_1": "Failed"}


@pytest.mark.parametrize("comes", [True, False], ids=["it comes", "it never comes"])
def test_a_node_whose_agent_is_slower_than_the_job_is_waited_for_after_the_launchers_end(comes: bool) -> None:
    job = Job()
    job.joins("0")
    job.starts("0", "p-a", role="launcher")
    job.starts("0", "0-a", rank=0, world_size=2)
    for key in ("0-a", "p-a"):
        job.ends("0", key, exit_code=0)
    job.leaves("0")
    job.passes(4)
    assert job.state == "running"
    if comes:
        job.joins("1")
        job.starts("1", "1-a", rank=1, world_size=2)
        job.ends("1", "1-a", exit_code=0)
        job.leaves("1")
    job.passes(2)
    assert job.state == "completed"
    assert job.states["rank_1"] == ("Completed" if comes else "NotStarted")


def test_the_launchers_of_an_earlier_life_do_not_count(job: Job) -> None:
    job.starts("0", "p-l", role="launcher")
    for rank, node in enumerate("01"):
        job.ends(node, f"{rank}-a", signal=15)
    job.ends("0", "p-l", exit_code=1)
    job.passes(1, "0", "1")
    for rank, node in enumerate("01"):
        job.starts(node, f"{rank}-b", rank=rank, world_size=2)
        job.ends(node, f"{rank}-b", exit_code=0)
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == "completed"


def test_a_rank_that_nobody_has_seen_has_not_started_and_the_process_files_say_so() -> None:
    job = Job()
    job.joins("0")
    assert (job.state, job.states) == ("notstarted", {})
    job.starts("0", "0-a", rank=0, world_size=3, launcher="openmpi")
    job.starts("0", "2-a", rank=2, world_size=3, launcher="openmpi")
    assert job.states == {"rank_0": "Running", "rank_1": "NotStarted", "rank_2": "Running"}
    check_that_all_agree(job)
    job.starts("0", "1-a", rank=1, world_size=3, launcher="openmpi")
    assert job.states == dict.fromkeys(("rank_0", "rank_1", "rank_2"), "Running")
    check_that_all_agree(job)


def test_a_job_that_is_over_ends_although_a_rank_never_started() -> None:
    job = Job()
    job.joins("0")
    job.starts("0", "0-a", rank=0, world_size=2)
    job.ends("0", "0-a", exit_code=1)
    job.leaves("0")
    job.passes(5)
    assert job.state == "running"
    job.presence.is_over = True
    job.passes(1)
    assert (job.state, job.states) == ("failed", {"rank_0": "Failed", "rank_1": "NotStarted"})
    check_that_all_agree(job)


def test_a_rank_that_a_restart_has_not_brought_back_yet_has_not_started_again(job: Job) -> None:
    job.ends("1", "1-a", exit_code=1)
    job.ends("0", "0-a", signal=15)
    job.starts("0", "0-b", rank=0, world_size=2, launcher="torchrun")
    assert job.states == {
        "rank_0": "Terminated",
        "rank_0_attempt2": "Running",
        "rank_1": "Failed",
        "rank_1_attempt2": "NotStarted",
    }
    check_that_all_agree(job)
    job.starts("1", "1-b", rank=1, world_size=2, launcher="torchrun")
    assert job.states["rank_1_attempt2"] == "Running"


def test_a_world_size_that_is_nonsense_makes_no_ranks(job: Job) -> None:
    job.starts("0", "x", rank=7, world_size=1 << 40)
    assert "NotStarted" not in job.states.values()
    check_that_all_agree(job)


def test_a_rank_that_a_signal_struck_alone_has_failed_and_the_run_with_it(job: Job) -> None:
    job.is_struck("1", "1-a")
    job.passes(1, "0", "1")
    job.ends("0", "0-a", exit_code=1, asked_signal=15, asked_ns=job.now)
    job.leaves("0", "1")
    job.passes(1)
    assert (job.states, job.state) == ({"rank_0": "Terminated", "rank_1": "Failed"}, "failed")
    check_that_all_agree(job)


def test_a_launcher_whose_exit_code_tells_of_a_rank_that_a_signal_struck_was_not_canceled(job: Job) -> None:
    job.starts("0", "p-l", role="launcher")
    job.is_struck("1", "1-a")
    job.ends("0", "0-a", signal=15, asked_signal=15, asked_ns=job.now)
    job.ends("0", "p-l", exit_code=143, asked_signal=None, asked_ns=None)
    job.leaves("0", "1")
    job.passes(1)
    assert job.states == {"launcher_7": "Failed", "rank_0": "Terminated", "rank_1": "Failed"}
    assert job.state == "failed"
    check_that_all_agree(job)


def test_a_launcher_whose_exit_code_tells_how_it_ended_the_others_was_not_canceled(job: Job) -> None:
    """As srun does that is told to kill the others on a bad exit."""
    job.starts("0", "p-a", role="launcher")
    job.ends("0", "0-a", exit_code=1)
    job.ends("1", "1-a", signal=15, asked_signal=15, asked_ns=job.now)
    job.ends("0", "p-a", exit_code=143, asked_signal=None, asked_ns=None)
    job.leaves("0", "1")
    job.passes(1)
    assert (job.states["rank_0"], job.states["rank_1"], job.state) == ("Failed", "Terminated", "failed")
    check_that_all_agree(job)


def test_all_ranks_that_a_signal_strikes_at_once_are_ended_by_somebody(job: Job) -> None:
    job.is_struck("0", "0-a")
    job.passes(0.5, "0", "1")
    job.is_struck("1", "1-a")
    job.leaves("0", "1")
    job.passes(1)
    assert (job.states, job.state) == ({"rank_0": "Terminated", "rank_1": "Terminated"}, "canceled")
    check_that_all_agree(job)


def test_all_ranks_that_are_killed_at_once_with_their_execs_have_not_failed_but_the_run_has(job: Job) -> None:
    for rank, node in enumerate("01"):
        job.ends(node, f"{rank}-a", signal=9, asked_signal=None, asked_ns=None)
        job.passes(0.5, "0", "1")
    job.leaves("0", "1")
    job.passes(1)
    assert (job.states, job.state) == ({"rank_0": "Terminated", "rank_1": "Terminated"}, "failed")
    check_that_all_agree(job)


@pytest.mark.parametrize("is_noticed_first", [False, True])
def test_who_is_killed_alone_was_before_those_that_a_launcher_kills_with_their_execs(
    job: Job, is_noticed_first: bool
) -> None:
    later = S // 100 if is_noticed_first else -S // 100
    job.ends("0", "0-a", signal=9, asked_signal=None, asked_ns=None, end_ns=job.now + later)
    job.is_struck("1", "1-a", signal=9)
    assert job.states == {"rank_0": "Terminated", "rank_1": "Failed"}
    check_that_all_agree(job)


def test_a_single_process_that_a_signal_struck_has_failed() -> None:
    job = Job()
    job.joins("0")
    job.starts("0", "a")
    job.is_struck("0", "a")
    job.leaves("0")
    job.passes(1)
    assert job.state == "failed"


def test_a_signal_that_exec_got_with_its_process_was_meant_for_both(job: Job) -> None:
    for rank, node in enumerate("01"):
        job.ends(node, f"{rank}-a", signal=15, asked_signal=15, asked_ns=job.now + 1_000_000, max_rss_bytes=1)
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == "canceled"


def test_a_rank_that_failed_before_it_was_asked_to_end_was_not_ended_by_that(job: Job) -> None:
    job.ends("1", "1-a", exit_code=1, asked_signal=15, asked_ns=job.now + S // 10, max_rss_bytes=1)
    job.passes(0.5, "0", "1")
    job.ends("0", "0-a", exit_code=1, asked_signal=15, asked_ns=job.now)
    job.leaves("0", "1")
    job.passes(1)
    assert (job.states, job.state) == ({"rank_0": "Terminated", "rank_1": "Failed"}, "failed")


@pytest.mark.parametrize("is_told_first", [False, True])
def test_a_killed_rank_whose_end_is_noticed_after_its_peers_has_failed(job: Job, is_told_first: bool) -> None:
    def peer_ends() -> None:
        job.ends("0", "0-a", exit_code=1, end_ns=job.now - S // 10)

    if not is_told_first:
        peer_ends()
    job.is_struck("1", "1-a", signal=9)
    if is_told_first:
        peer_ends()
    assert job.states == {"rank_0": "Failed", "rank_1": "Failed"}
    check_that_all_agree(job)


@pytest.mark.parametrize(
    "record", [{"asked_signal": None}, {"asked_signal": 15, "asked_ns": T0 + S // 2, "max_rss_bytes": 1}]
)
def test_a_rank_that_is_killed_with_its_group_or_after_it_was_asked_was_not_first(
    job: Job, record: dict[str, Any]
) -> None:
    job.ends("0", "0-a", exit_code=1)
    job.ends("1", "1-a", signal=9, **record, end_ns=job.now + S // 100)
    assert job.states == {"rank_0": "Failed", "rank_1": "Terminated"}


def test_a_rank_that_is_killed_with_its_group_since_a_node_was_lost_has_not_failed(job: Job) -> None:
    job.ends("0", "0-a", signal=9, asked_signal=None, asked_ns=None)
    assert job.states == {"rank_0": "Failed", "rank_1": "Running"}
    job.passes(4, "0")
    assert job.states == {"rank_0": "Terminated", "rank_1": "Lost"}
    check_that_all_agree(job)


def test_a_rank_that_is_killed_long_after_another_has_failed_was_not_first(job: Job) -> None:
    job.ends("0", "0-a", exit_code=1)
    job.passes(2, "0", "1")
    job.is_struck("1", "1-a", signal=9)
    assert job.states == {"rank_0": "Failed", "rank_1": "Terminated"}


def test_a_job_that_reaches_its_time_limit_has_failed_and_was_not_canceled(job: Job) -> None:
    job.is_asked("time-limit", "--max-duration 60")
    asked = {"asked_signal": 15, "asked_ns": job.now}
    job.ends("0", "0-a", signal=15, **asked)
    job.ends("1", "1-a", signal=9, **asked)
    job.leaves("0", "1")
    job.passes(1)
    assert (job.states, job.state) == ({"rank_0": "Terminated", "rank_1": "Terminated"}, "failed")
    check_that_all_agree(job)


def test_the_time_limit_of_an_earlier_start_of_the_job_does_not_count(job: Job) -> None:
    job.is_asked("time-limit", "--max-duration 60")
    for start in "ab":
        for rank, node in enumerate("01"):
            if start == "b":
                job.joins(node, epoch=2)
                job.starts(node, f"{rank}-b", rank=rank, world_size=2)
            job.ends(node, f"{rank}-{start}", signal=15, asked_signal=15, asked_ns=job.now)
        job.leaves("0", "1")
        job.passes(1)
        assert job.state == ("failed" if start == "a" else "canceled")
    check_that_all_agree(job)


def test_a_job_that_ends_well_when_its_time_is_up_has_completed(job: Job) -> None:
    job.is_asked("time-limit", "--max-duration 60")
    for rank, node in enumerate("01"):
        job.ends(node, f"{rank}-a", exit_code=0, asked_signal=15, asked_ns=job.now)
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == "completed"


def test_a_job_that_somebody_cancels_before_its_time_is_up_was_canceled(job: Job) -> None:
    job.is_asked("canceled", "SIGTERM")
    job.passes(1, "0", "1")
    job.is_asked("time-limit", "--max-duration 60")
    for rank, node in enumerate("01"):
        job.ends(node, f"{rank}-a", signal=15, asked_signal=15, asked_ns=job.now)
    job.leaves("0", "1")
    job.passes(1)
    assert job.state == "canceled"
