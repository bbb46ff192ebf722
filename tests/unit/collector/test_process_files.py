"""The process files say what Azure ML's own parser can read; its rules are written down here once more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_collector.core import journal
from ranklog_collector.core.layout import Layout
from ranklog_collector.core.narration import Narrator
from ranklog_collector.core.presence import Presence
from ranklog_collector.core.process_files import iso, process_info, process_status, run_summary
from tests.support.azureml_rules import azure_table

S = 1_000_000_000
T0 = 1_795_000_000 * S


class Job:
    """A run as its journal tells it."""

    def __init__(self) -> None:
        self.presence = Presence()
        self.layout = Layout(self.presence)
        self.narrator = Narrator(self.presence)
        self.story: list[str] = []
        self.tell(journal.Run(1, "r1", "default", T0))

    def tell(self, entry: journal.Entry) -> None:
        self.presence.apply(entry)
        line = self.narrator.tell(entry)
        if line:
            self.story.append(line)

    def node(self, node: str, ip: str, offset_ns: int = 0) -> None:
        self.tell(journal.Node(node, "joined", T0, ip, node, 1, "0.1"))
        if offset_ns:
            self.tell(journal.Clock(node, offset_ns, 1_000_000, T0))

    def start(self, node: str, key: str, at_s: float = 1, **record: Any) -> None:
        self.tell(journal.Process(node, key, "started", T0, {"start_ns": T0 + int(at_s * S), **record}))

    def end(self, node: str, key: str, at_s: float = 2, **record: Any) -> None:
        self.tell(journal.Process(node, key, "exited", T0, {"end_ns": T0 + int(at_s * S), **record}))

    def vanish(self, node: str, key: str) -> None:
        self.tell(journal.Process(node, key, "vanished", T0, {"end_ns": T0 + 2 * S}))

    def conclude(self) -> str:
        verdict = self.presence.processes.verdict()
        self.tell(journal.State(verdict, T0 + 100 * S))
        return verdict

    def info(self) -> list[dict[str, Any]]:
        return _json_lines(process_info(self.presence, self.layout.log_of))

    def status(self) -> list[dict[str, Any]]:
        return _json_lines(process_status(self.presence))

    def table(self) -> list[list[Any]]:
        return azure_table(
            process_info(self.presence, self.layout.log_of).decode(), process_status(self.presence).decode()
        )

    def statuses(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self.table()}


def _json_lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.decode().split("\n")[:-1]]


@pytest.fixture
def job() -> Job:
    job = Job()
    job.node("node0", "10.0.0.1")
    return job


def test_a_table_of_two_nodes(job: Job) -> None:
    job.node("node1", "10.0.0.2")
    for rank, node in enumerate(("node0", "node1")):
        job.start(node, f"{rank}-7", pid=7, rank=rank, world_size=2, hostname=node)
        job.end(node, f"{rank}-7", exit_code=0)
    assert job.conclude() == "completed"
    started, ended = "2026-11-18T11:06:41.000000000Z", "2026-11-18T11:06:42.000000000Z"
    assert job.table() == [
        ["rank_0", "Completed", started, ended, "node0", 7, "10.0.0.1", "10.0.0.1/azureml-logs/70_driver_log_0.txt"],
        ["rank_1", "Completed", started, ended, "node1", 7, "10.0.0.2", "10.0.0.2/azureml-logs/70_driver_log_1.txt"],
    ]
    assert job.status()[-1] == {"process_name": "*", "timestamp": iso(T0 + 100 * S), "status": "Completed"}


def test_the_fields_come_in_the_order_that_the_reader_relies_on(job: Job) -> None:
    job.start("node0", "0-7", pid=7, rank=0, world_size=1, argv=["python", "train.py"])
    job.end("node0", "0-7", exit_code=3)
    assert list(job.info()[0])[:5] == ["process_name", "node_id", "pid_in_container", "private_ip", "log"]
    assert list(job.status()[1])[:3] == ["process_name", "timestamp", "status"]
    assert job.info()[0]["argv"] == ["python", "train.py"]
    assert job.status()[1]["exit_code"] == 3


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({"exit_code": 0}, "Completed"),
        ({"exit_code": 3}, "Failed"),
        ({"signal": 11}, "Failed"),
        ({"signal": 9}, "Failed"),
        ({"signal": 15}, "Terminated"),
        ({"exit_code": 143}, "Terminated"),
        ({"exit_code": 130}, "Terminated"),
        ({"signal": 9, "oom_killed": True}, "Failed"),
        ({}, "Completed"),
        ({"exit_code": "many", "signal": -4, "end_ns": []}, "Completed"),
    ],
)
def test_how_a_process_ended(job: Job, record: dict[str, Any], status: str) -> None:
    job.start("node0", "0-7", pid=7)
    job.end("node0", "0-7", **record)
    assert job.statuses() == {"process_7": status}


def test_one_that_was_killed_in_the_wake_of_anothers_failure_was_terminated(job: Job) -> None:
    for rank in range(4):
        job.start("node0", f"{rank}-1", pid=10 + rank, rank=rank, world_size=4)
    job.end("node0", "0-1", at_s=5.2, signal=9)
    job.end("node0", "2-1", at_s=5.0, signal=9)  # told later, but it was first
    job.end("node0", "3-1", at_s=5.3, signal=9, oom_killed=True)
    job.end("node0", "1-1", at_s=5.1, signal=15)
    assert job.statuses() == {"rank_0": "Terminated", "rank_1": "Terminated", "rank_2": "Failed", "rank_3": "Failed"}
    assert job.conclude() == "failed"


def test_who_was_first_is_asked_by_the_collectors_clock(job: Job) -> None:
    job.node("node1", "10.0.0.2", offset_ns=-10 * S)
    job.start("node0", "0-1", pid=1, rank=0, world_size=2)
    job.start("node1", "1-1", pid=1, rank=1, world_size=2)
    job.end("node0", "0-1", at_s=5, signal=9)
    job.end("node1", "1-1", at_s=14, signal=9)  # its clock is 10 s ahead
    assert job.statuses() == {"rank_0": "Terminated", "rank_1": "Failed"}


def test_a_killed_rank_of_a_later_attempt_is_not_excused_by_an_earlier_one(job: Job) -> None:
    job.start("node0", "0-1", pid=1, rank=0, world_size=1, restart=0)
    job.end("node0", "0-1", at_s=2, exit_code=1)
    job.start("node0", "0-2", pid=2, rank=0, world_size=1, restart=1)
    job.end("node0", "0-2", at_s=3, signal=9)
    assert job.statuses() == {"rank_0": "Failed", "rank_0_attempt2": "Failed"}


def test_a_restarted_job_is_judged_by_its_last_attempt(job: Job) -> None:
    job.start("node0", "0-1", pid=1, rank=0, world_size=1)
    job.end("node0", "0-1", exit_code=1)
    job.start("node0", "0-2", pid=2, rank=0, world_size=1, restart=1)
    job.end("node0", "0-2", exit_code=0)
    assert job.conclude() == "completed"


def test_a_launcher_is_in_no_table_but_has_the_last_word(job: Job) -> None:
    job.start("node0", "p-99", pid=99, role="launcher")
    job.start("node0", "0-1", pid=1, rank=0, world_size=1)
    job.end("node0", "0-1", exit_code=0)
    job.end("node0", "p-99", exit_code=42)
    assert job.statuses() == {"rank_0": "Completed"}
    assert job.conclude() == "failed"


def test_a_launcher_that_tells_of_a_killed_rank_was_not_killed_itself(job: Job) -> None:
    job.node("n0", "10.0.0.1")
    job.start("n0", "l", role="launcher", pid=1)
    job.start("n0", "k0", rank=0, pid=2)
    job.end("n0", "k0", exit_code=None, signal=9)
    job.end("n0", "l", exit_code=137, signal=None)
    assert job.conclude() == "failed"


def test_a_canceled_run(job: Job) -> None:
    job.start("node0", "0-1", pid=1, rank=0, world_size=1)
    job.end("node0", "0-1", signal=15)
    assert job.conclude() == "canceled"
    assert job.status()[-1]["status"] == "Terminated"


def test_a_process_that_nobody_saw_end_makes_the_run_lost(job: Job) -> None:
    job.start("node0", "0-1", pid=1, rank=0, world_size=2)
    job.start("node0", "1-1", pid=2, rank=1, world_size=2)
    job.vanish("node0", "1-1")
    assert job.conclude() == "lost"
    assert job.statuses() == {"rank_0": "Terminated", "rank_1": "Terminated"}


def test_equal_pids_of_two_nodes_get_different_names(job: Job) -> None:
    job.node("node1", "10.0.0.2")
    job.start("node0", "p-7", pid=7)
    job.start("node1", "p-7", pid=7)
    assert set(job.statuses()) == {"process_7", "process_7_node1"}


def test_an_exit_without_a_start_is_still_a_line(job: Job) -> None:
    job.end("node0", "0-1", exit_code=0)
    assert job.statuses() == {"process_0-1": "Completed"}


def test_the_run_in_short(job: Job) -> None:
    job.start("node0", "0-1", pid=1, rank=0, world_size=2)
    job.end("node0", "0-1", exit_code=1)
    run = job.presence
    summary = json.loads(run_summary(journal.Run(1, "r1", "default", T0), run, job.layout))
    assert summary["run_id"] == "r1"
    assert summary["nodes"][0]["node_ip"] == "10.0.0.1"
    assert summary["processes"] == {
        "world_size": 2,
        "lives": 1,
        "seen": 1,
        "running": 0,
        "completed": 0,
        "failed": 1,
        "terminated": 0,
        "notstarted": 1,
    }
    assert summary["properties"]["ProcessStatusFile"] == "azureml-logs/process_status.json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), lambda inner: st.lists(inner)
)
FIELDS = ("pid", "rank", "world_size", "local_size", "role", "restart", "hostname", "argv", "start_ns")
ENDS = ("exit_code", "signal", "signal_name", "oom_killed", "end_ns")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.dictionaries(st.sampled_from(FIELDS), JSON), st.dictionaries(st.sampled_from(ENDS), JSON))),
    st.booleans(),
)
def test_whatever_agents_tell_the_files_stay_readable(
    facts: list[tuple[dict[str, Any], dict[str, Any]]], is_over: bool
) -> None:
    job = Job()
    job.node("n\u2028ode", "10.0.0.1")
    for number, (start, end) in enumerate(facts):
        job.tell(journal.Process("n\u2028ode", f"k{number}", "started", T0, start))
        job.tell(journal.Process("n\u2028ode", f"k{number}", "exited", T0, end))
    if is_over:
        job.conclude()
    if job.info():
        assert len({row[0] for row in job.table()}) == len(job.info())
    assert all(line.count("\n") == 1 and line[:-1].isprintable() for line in job.story)


def test_the_life_of_a_run_in_plain_words(job: Job) -> None:
    job.start("node0", "0-1", pid=1, rank=0, world_size=1)
    job.tell(journal.Stream(1, "node0", "stdout", "0-1", "", "azureml-logs/70_driver_log.txt"))
    job.tell(journal.Segment(1, "ab", 1, "/x", 1, 2, 0, False, T0))
    job.tell(journal.Mark(1, 10, 7))
    job.tell(journal.Gap(1, 100, 300, "truncated", T0 + 1))
    job.tell(journal.Gap(1, 400, None, "vanished", T0 + 1))
    job.tell(journal.Node("node0", "lost", T0 + 3 * S))
    job.tell(journal.Process("node0", "0-1", "lost", T0 + 3 * S))
    job.tell(journal.Process("node0", "0-1", "back", T0 + 3 * S))
    job.tell(journal.Clock("node0", 250_000_000, 2_000_000, T0))
    job.tell(journal.Clock("node0", 50_000_000, 2_000_000, T0))
    job.tell(journal.Clock("node0", 200_000_000, 150_000_000, T0))  # which may as well be nothing
    job.tell(journal.Pause("cannot write x: No space left on device", T0))
    job.tell(journal.Resume("", T0))
    job.end("node0", "0-1", signal=11, signal_name="SIGSEGV")
    job.tell(journal.Node("node0", "left", T0, reason="ended", undelivered=5))
    job.conclude()
    stamp = "2026-11-18T11:06:40.000Z  "
    assert job.story[0] == f"{stamp}run r1 of experiment default\n"
    assert [line[len(stamp) : -1] for line in job.story[1:]] == [
        "node node0 (10.0.0.1) has joined, ranklog 0.1",
        "rank_0 on node node0 has started (pid 1)",
        "gap in azureml-logs/70_driver_log.txt: 200 bytes after the first 100 of its source are lost (truncated)",
        "gap in azureml-logs/70_driver_log.txt: what its source held after 400 bytes is not known (vanished)",
        "node node0 (10.0.0.1) is lost: it has gone silent",
        "rank_0 on node node0 is lost with its node",
        "rank_0 on node node0 is back",
        "warning: the clock of node node0 is 0.250 s (±0.002 s) behind the collector's; merged views correct this",
        "paused: cannot write x: No space left on device; agents keep what they have",
        "resumed: the run folder can be written again",
        "rank_0 on node node0 has failed: signal 11 (SIGSEGV)",
        "node node0 (10.0.0.1) has left (ended, 5 bytes undelivered)",
        "the run has failed",
    ]


def test_the_life_of_a_run_tells_of_time_limits_early_ends_and_ranks_that_never_came(job: Job) -> None:
    for rank in (0, 1, 2):
        job.start("node0", f"{rank}-1", pid=rank, rank=rank, world_size=5)
    job.end("node0", "1-1", exit_code=0)
    job.tell(journal.Process("node0", "1-1", "early", T0))
    job.tell(journal.Asked(journal.TIME_LIMIT, "--max-duration 60", T0))
    job.end("node0", "0-1", signal=15)
    job.end("node0", "2-1", signal=15)
    job.conclude()
    told = [line.partition("  ")[2].rstrip("\n") for line in job.story[-6:]]
    assert told == [
        "rank_1 on node node0 has completed",
        "warning: rank_1 on node node0 has ended with 0, while 2 others (ranks 0,2) go on",
        "the job is asked to end: it has reached its time limit (--max-duration 60)",
        "rank_0 on node node0 was terminated: signal 15",
        "rank_2 on node node0 was terminated: signal 15",
        "the run has failed; ranks 3-4 never started",
    ]
