"""Jobs that somebody ended, or a time limit, and ranks that a signal struck alone."""

from __future__ import annotations

from typing import Any

import pytest

from ranklog_collector.core.verdict.evidence import Machine, Request, Step
from ranklog_collector.core.verdict.finding import Category, Confidence, Quote, Status
from tests.unit.verdict.jobs import RAISED, mpirun, named, ns, rank, verdict

STRUCK: dict[str, Any] = {"signal": 15, "was_struck": True}
STOPPED: dict[str, Any] = {"end": 60.2, "signal": 15, "asked": 60.1}
BOOM = RAISED.format(error="ValueError: boom")


def request(at: float = 60, category: Category = Category.TIME_LIMIT, by: str = "--max-duration 60") -> Request:
    line = f"the job is asked to end ({by})"
    return Request(category, by, ns(at), (Quote(line, "overall/execution.txt", 200, ns(at)),))


def test_a_rank_that_a_signal_struck_alone_is_a_failure_of_that_rank() -> None:
    everyone = [
        rank(0, (9, "step 9"), end=12, signal=15, asked=11.5),
        rank(1, (9, "step 9"), end=10, **STRUCK),
        rank(2, (9, "step 9"), end=12, signal=15, asked=11.5),
    ]
    found = verdict(everyone)
    assert (named(found), found.status, found.category) == (["rank_1"], Status.FAILED, Category.KILLED)
    assert "was killed by SIGTERM" in found.headline
    assert any("who sent that signal is not known" in one and "rank 1" in one for one in found.remarks)
    assert [one.ranks for one in found.consequences] == [(0, 2)]


def test_a_rank_that_a_signal_struck_is_told_while_the_others_run() -> None:
    found = verdict([rank(0), rank(1, end=10, **STRUCK), rank(2)], state="running", is_live=True, now_ns=ns(11))
    assert (named(found), found.status) == (["rank_1"], Status.FAILED)


def test_a_single_process_that_a_signal_struck_has_failed() -> None:
    found = verdict([rank(0, (1, "hello"), end=10, **STRUCK)])
    assert (named(found), found.status, found.category) == (["rank_0"], Status.FAILED, Category.KILLED)


def test_all_ranks_that_a_signal_struck_one_after_the_other_were_ended_by_somebody() -> None:
    everyone = [rank(number, (9, "step 9"), end=10 + number / 2, **STRUCK) for number in range(4)]
    found = verdict(everyone, state="canceled")
    assert (named(found), found.status, found.category) == ([], Status.CANCELED, Category.CANCELED)
    assert found.headline.startswith("all 4 ranks were killed by SIGTERM, from outside")


def test_ranks_whose_exec_was_asked_as_well_were_canceled() -> None:
    everyone = [rank(number, end=10, signal=15, asked=9.9) for number in range(4)]
    assert verdict(everyone, state="canceled").category is Category.CANCELED


def test_a_time_limit_of_our_own_is_one_and_the_account_of_the_run_proves_it() -> None:
    found = verdict([rank(number, (5, "step 1"), **STOPPED) for number in range(4)], requests=(request(),))
    assert (found.status, found.category, found.culprits) == (Status.FAILED, Category.TIME_LIMIT, ())
    assert found.confidence is Confidence.CERTAIN
    assert found.headline.startswith("the job reached its time limit (--max-duration 60) at ")
    assert [(one.path, one.offset) for one in found.quotes] == [("overall/execution.txt", 200)]
    assert [one.ranks for one in found.consequences] == [(0, 1, 2, 3)]


def test_a_launcher_that_is_asked_to_end_by_a_time_limit_was_not_canceled() -> None:
    launcher = mpirun(end=60.5, code=1, asked=60.01)
    found = verdict([rank(number, **STOPPED) for number in range(2)], launcher, requests=(request(),))
    assert found.category is Category.TIME_LIMIT


def test_a_job_that_ends_well_when_its_time_is_up_is_fine_and_a_remark_says_so() -> None:
    everyone = [rank(number, (59, "saved"), end=61, asked=60.1) for number in range(2)]
    found = verdict(everyone, state="completed", requests=(request(),))
    assert found.status is Status.FINE
    assert any("reached its time limit (--max-duration 60)" in one for one in found.remarks)


def test_a_job_that_had_failed_before_its_time_was_up_has_failed_of_that() -> None:
    found = verdict([rank(0, **STOPPED), rank(1, (20, BOOM), end=20.1, code=1)], requests=(request(),))
    assert (named(found), found.category) == (["rank_1"], Category.EXCEPTION)


def test_a_job_that_stood_still_until_its_time_was_up_hung() -> None:
    everyone = [rank(number, (10, "step 5"), **STOPPED, rhythm=1.0) for number in range(4)]
    everyone[2] = rank(2, (9, "about to load"), **STOPPED, rhythm=1.0)
    found = verdict(everyone, requests=(request(),))
    assert (named(found), found.category) == (["rank_2"], Category.HANG)


def test_a_job_that_somebody_stopped_was_canceled_and_is_told_by_whom() -> None:
    everyone = [rank(number, end=10.2, signal=2, asked=10.1) for number in range(2)]
    stop = request(10.0, Category.CANCELED, "SIGINT to ranklog run")
    found = verdict(everyone, state="canceled", requests=(stop,))
    assert (found.status, found.category) == (Status.CANCELED, Category.CANCELED)
    assert found.headline.startswith("the job was asked to end (SIGINT to ranklog run) at ")


def test_a_signal_to_all_reaches_ranks_before_it_is_noted() -> None:
    everyone = [rank(number, end=59.9 + number / 100, signal=15, asked=59.9) for number in range(2)]
    assert verdict(everyone, requests=(request(60),)).category is Category.TIME_LIMIT


def test_a_stop_that_follows_a_failure_does_not_hide_it() -> None:
    stop = request(30, Category.CANCELED, "SIGINT to ranklog run")
    everyone = [rank(0, end=30.2, signal=2, asked=30.1), rank(1, (20, BOOM), end=20.1, code=1)]
    assert named(verdict(everyone, requests=(stop,))) == ["rank_1"]


def test_a_stop_is_that_of_the_start_of_the_job_which_it_stopped() -> None:
    stop = request(10.0, Category.CANCELED, "SIGTERM to ranklog run")
    first = [rank(number, end=10.2, signal=15, asked=10.1) for number in range(2)]
    second = [rank(number, (30, "done"), end=31, life=1, start=20) for number in range(2)]
    found = verdict([*first, *second], state="completed", requests=(stop,))
    assert (found.status, found.attempt) == (Status.FINE, 1)
    assert found.remarks[0].startswith("start 1 of 2: the job was asked to end (SIGTERM to ranklog run) at ")


def test_a_node_that_slurm_gives_up_is_named_although_it_speaks() -> None:
    said = (10.0, "srun: error: Node failure on node1")
    everyone = [rank(0, end=10.1, signal=15, asked=10.05), rank(1, (11, "step 9"), node=1)]
    machines = (Machine("node0", "10.77.0.10", "node0"), Machine("node1", "10.77.0.11", "node1"))
    found = verdict(everyone, mpirun(said, end=10.2, code=143, asked=10.06), machines=machines, state="canceled")
    assert (named(found), found.category, found.status) == (["node1"], Category.NODE_LOST, Status.FAILED)
    assert found.culprits[0].quotes[0].text == said[1]
    assert found.headline.startswith("node node1 (10.77.0.11) with rank 1 was ")
    assert "last heard" not in found.headline


# ---- ranks that never started --------------------------------------------------------------------------------------

NEVER: dict[str, Any] = {"state": "NotStarted"}
WAITING = RAISED.format(
    error="torch.distributed.DistStoreError: Timed out after 61 seconds waiting for clients. 3/4 clients joined."
)


def test_a_rank_that_never_started_is_why_the_others_gave_up() -> None:
    everyone = [rank(number, (61, WAITING), end=61.5, code=1) for number in range(3)]
    found = verdict([*everyone, rank(3, **NEVER)], world_size=4)
    assert (named(found), found.status, found.category) == (["rank_3"], Status.FAILED, Category.NOT_STARTED)
    assert found.headline == "rank 3 of 4 never started; ranks 0-2 waited for it"
    assert found.confidence is Confidence.LIKELY
    assert [one.ranks for one in found.consequences] == [(0, 1, 2)]
    assert not any("--rank 3" in one for one in found.next_steps)


def test_the_launcher_may_tell_why_it_never_started() -> None:
    everyone = [rank(number, (61, WAITING), end=61.5, code=1) for number in range(3)]
    launcher = mpirun((60, "ORTE was unable to reliably start one or more daemons."), end=62, code=1)
    found = verdict([*everyone, rank(3, **NEVER)], launcher, world_size=4)
    assert [quote.signature for quote in found.culprits[0].quotes] == ["openmpi-daemon-lost"]


@pytest.mark.parametrize(("now", "status"), [(5, Status.FINE), (30, Status.SUSPECT)])
def test_a_rank_that_has_not_started_is_suspect_once_the_others_have_waited_long(now: float, status: Status) -> None:
    everyone = [rank(0, (1, "hello")), rank(1, (1.2, "hello")), rank(2, **NEVER), rank(3, **NEVER)]
    found = verdict(everyone, state="running", is_live=True, now_ns=ns(now), world_size=4)
    assert found.status is status
    if status is Status.SUSPECT:
        assert named(found) == ["rank_2", "rank_3"]
        words = "ranks 2-3 of 4 have not started; ranks 0-1 have waited for them for 28.8 s, saying nothing"
        assert found.headline == words


def test_a_job_that_waited_in_vain_until_its_time_was_up_lacked_a_rank() -> None:
    everyone = [rank(number, (2, "hello"), **STOPPED) for number in range(3)]
    found = verdict([*everyone, rank(3, **NEVER)], requests=(request(),), world_size=4)
    assert (named(found), found.category) == (["rank_3"], Category.NOT_STARTED)


def test_a_rank_that_was_not_recorded_is_not_blamed_when_the_others_worked_without_it() -> None:
    worked = [rank(number, (40, "step 40"), **STOPPED, step=Step("", None, 40)) for number in range(3)]
    found = verdict([*worked, rank(3, **NEVER)], state="canceled", world_size=4)
    assert found.category is Category.CANCELED
    assert any("rank 3" in one for one in found.remarks)


def test_who_failed_by_itself_is_named_though_another_never_started() -> None:
    assert named(verdict([rank(0, (5, BOOM), end=5.1, code=1), rank(1, **NEVER)], world_size=2)) == ["rank_0"]
