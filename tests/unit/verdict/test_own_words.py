"""Programs have words of their own for a peer that has gone, and live on with some of their errors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ranklog_collector.core.verdict.evidence import Member, Moment, Step
from ranklog_collector.core.verdict.finding import Category, Status
from tests.unit.verdict.jobs import CLOSED, RAISED, mpirun, named, ns, rank, verdict

STEP = (9.9, "step 7 loss 0.5")
WENT_ON = (9.0, "\n".join(f"step {number} loss 0.5" for number in range(2, 8)))


def raised(error: str) -> tuple[float, str]:
    return 10, RAISED.format(error=error)


VICTIMS = {
    "an exception": lambda one: rank(one, STEP, raised(f"EndOfGroup: peer of {one} left"), end=10.05, code=1),
    "a code": lambda one: rank(one, STEP, end=10.05, code=4),
    "an abort": lambda one: rank(one, STEP, (10, "comm.cc:88 FATAL"), end=10.05, signal=6),
}
CULPRITS = {
    "killed": (lambda: rank(2, STEP, end=10.02, signal=9), Category.KILLED),
    "noticed late": (lambda: rank(2, STEP, end=10.6, signal=9), Category.KILLED),
    "silent": (lambda: rank(2, STEP, end=10.02, code=1), Category.EXIT_CODE),
    "raised": (lambda: rank(2, STEP, raised("ValueError: bad sample"), end=10.02, code=1), Category.EXCEPTION),
    "crashed": (lambda: rank(2, STEP, end=10.02, signal=11), Category.CRASH),
    "left": (lambda: rank(2, STEP, end=10.02, code=0), Category.EARLY_EXIT),
}


@pytest.mark.parametrize("culprit", CULPRITS)
@pytest.mark.parametrize("words", VICTIMS)
def test_what_all_the_others_do_at_once_is_done_because_of_the_one_that_does_something_else(
    words: str, culprit: str
) -> None:
    one, category = CULPRITS[culprit]
    found = verdict([*(VICTIMS[words](other) for other in (0, 1, 3)), one()])
    assert (named(found), found.category, found.status) == (["rank_2"], category, Status.FAILED)
    assert found.consequences[0].ranks == (0, 1, 3)


def test_exit_codes_that_differ_are_not_the_same() -> None:
    others = [rank(other, STEP, end=10, code=4) for other in (0, 1, 3)]
    assert named(verdict([*others, rank(2, STEP, end=10.01, code=1)])) == ["rank_2"]
    found = verdict([rank(0, STEP, end=10, code=4), rank(2, STEP, end=10.01, code=1)])
    assert found.headline.startswith("both ranks: one of them was first (rank 0 exited with code 4)")
    found = verdict([rank(0, STEP, end=5, code=3), *(rank(one, STEP, end=10, code=one) for one in (1, 2))])
    assert [one.what for one in found.consequences] == ["exited with code 1", "exited with code 2"]


def test_who_does_something_else_well_before_or_after_is_not_what_the_others_fail_of() -> None:
    same = [VICTIMS["an exception"](other) for other in (0, 1, 3)]
    later = rank(2, STEP, (10.9, RAISED.format(error="ValueError: bad sample")), end=11, code=1)
    assert named(verdict([*same, later])) == ["rank_0", "rank_1", "rank_3"]


def test_an_error_that_is_each_ones_own_is_no_echo_of_another() -> None:
    full = "OSError: [Errno 28] No space left on device"
    same = [rank(other, STEP, raised(full), end=10.05, code=1) for other in (0, 1, 3)]
    found = verdict([*same, rank(2, STEP, end=10.02, signal=9)])
    assert found.category is Category.DISK_FULL


def test_of_two_that_end_at_once_an_error_in_own_words_may_be_the_victims() -> None:
    found = verdict([VICTIMS["an exception"](0), rank(1, STEP, end=10.02, signal=9)])
    assert (named(found), found.is_tie) == (["rank_0", "rank_1"], True)


def test_who_went_on_working_after_an_error_is_a_victim_of_what_came_then() -> None:
    closed = (10.1, CLOSED.format(peer="10.77.0.11"))
    survived = rank(0, (8.8, RAISED.format(error="KeyError: 'k'")), WENT_ON, closed, end=10.2, code=1)
    noisy = rank(1, (8.8, "CUDA out of memory. Retrying with batch size 32"), WENT_ON, closed, end=10.2, code=1)
    found = verdict([survived, noisy, rank(2, WENT_ON, end=10, code=1)])
    assert (named(found), found.category) == (["rank_2"], Category.EXIT_CODE)
    assert found.consequences[0].ranks == (0, 1)


def test_who_handled_an_error_and_lost_a_peer_then_is_not_blamed_before_who_ended_by_itself() -> None:
    closed = (10.1, CLOSED.format(peer="10.77.0.11"))
    handled = rank(0, (9, RAISED.format(error="KeyError: 'k'")), closed, end=10.2, code=1)
    silent = rank(1, STEP, closed, end=10.2, code=1)
    assert named(verdict([handled, silent, rank(2, STEP, end=10, code=1)])) == ["rank_2"]
    assert named(verdict([handled, silent, rank(2, STEP, closed, end=10.2, code=1)])) == ["rank_0"]


def test_a_shell_that_tells_of_a_wish_to_end_is_no_culprit() -> None:
    ended = [rank(other, STEP, end=10, code=143) for other in (0, 1)]
    found = verdict([*ended, rank(2, STEP, end=10.01, code=3)])
    assert (named(found), found.category) == (["rank_2"], Category.EXIT_CODE)


def test_a_rank_inside_another_counts_once() -> None:
    inner = [rank(one, STEP, end=10, signal=6) for one in range(2)]
    outer: list[Member] = [rank(one, end=10.1, code=134) for one in range(2)]
    found = verdict([*inner, *outer])
    assert {one.rank for one in found.culprits} == {0, 1}


def test_a_line_after_which_a_process_lived_until_it_was_asked_is_no_cause() -> None:
    said = rank(
        0, STEP, (10, "W: No space left on device in the cache, going on without"), end=11, signal=15, asked=10.6
    )
    asked = rank(1, STEP, end=11, signal=15, asked=10.6)
    found = verdict([said, asked, rank(2, STEP, end=10.5, code=9)])
    assert (named(found), found.category) == (["rank_2"], Category.EXIT_CODE)
    found = verdict([said, asked, rank(2, STEP, end=11, signal=15, asked=10.6)])
    assert (named(found), found.category) == (["rank_0"], Category.DISK_FULL)


def test_who_was_still_there_long_after_an_error_is_not_blamed_alone_before_who_an_error_has_ended() -> None:
    there = [rank(one, STEP, raised("KeyError: 'k'"), end=12.1, signal=15, asked=12) for one in (0, 1, 3)]
    ended = rank(2, STEP, (11.4, RAISED.format(error="ValueError: bad sample")), end=11.5, code=1)
    found = verdict([*there, ended])
    assert (named(found), found.is_tie) == (["rank_0", "rank_1", "rank_2", "rank_3"], True)


def test_who_ended_with_0_is_noticed_a_moment_late() -> None:
    ended = [rank(other, STEP, end=10, code=4) for other in (0, 1, 3)]
    assert named(verdict([*ended, rank(2, STEP, end=10.04, code=0)])) == ["rank_2"]
    assert named(verdict([*ended, rank(2, STEP, end=10.2, code=0)])) == ["rank_0", "rank_1", "rank_3"]


def test_who_ended_with_0_and_had_not_come_as_far_as_the_others_may_have_taken_long_to_end() -> None:
    ended = [rank(other, STEP, end=10, code=4, step=Step("step # loss #", None, 7)) for other in (0, 1, 3)]
    assert named(verdict([*ended, rank(2, end=10.4, code=0, step=Step("step # loss #", None, 6))])) == ["rank_2"]
    same = rank(2, end=10.4, code=0, step=Step("step # loss #", None, 7))
    assert named(verdict([*ended, same])) == ["rank_0", "rank_1", "rank_3"]


def test_of_two_the_one_that_ended_with_0_is_named_if_it_was_behind() -> None:
    failed = rank(0, end=10.02, code=4, step=Step("step # loss #", None, 7))
    behind, done = (rank(1, end=10, code=0, step=Step("step # loss #", None, number)) for number in (6, 7))
    assert named(verdict([failed, behind])) == ["rank_1"]
    assert named(verdict([failed, done])) == ["rank_0"]
    long_ago = rank(1, end=5, code=0, step=Step("step # loss #", None, 6))
    assert named(verdict([failed, long_ago])) == ["rank_0"]


def test_what_is_killed_in_groups_is_cleaned_up_after_an_end_that_nobody_saw() -> None:
    cleaned = [rank(other, STEP, end=10.1, signal=9, was_exec_killed=True) for other in (0, 1)]
    gone = [rank(other, STEP, state="Terminated") for other in (2, 3)]
    unseen = [replace(one, ended=Moment(ns(9.9), ns(12), 0, "node1"), ended_ns=ns(12)) for one in gone]
    found = verdict([*cleaned, *unseen])
    assert (found.status, found.headline) == (Status.UNKNOWN, "how ranks 2-3 ended was not recorded")


def test_who_alone_does_not_reach_its_peers_is_not_said_to_have_failed_by_itself() -> None:
    refused = "RuntimeError: Gloo connectFullMesh failed with [gloo/transport/tcp/pair.cc:152] timed out connecting"
    alone = rank(3, (10, RAISED.format(error=refused)), end=10.4, code=1)
    found = verdict([*(rank(other, STEP, end=12, signal=15, asked=11) for other in range(3)), alone])
    assert (found.status, found.culprits) == (Status.UNKNOWN, ())
    assert found.headline.startswith("rank 3 says: could not reach peers")


def test_srun_that_ends_as_its_task_did_was_not_killed_itself() -> None:
    closed = (10.1, CLOSED.format(peer="10.77.0.11"))
    victims = [rank(other, STEP, closed, end=10.5, code=1) for other in (0, 1)]
    found = verdict([*victims, rank(2, STEP, end=10, signal=15, asked=9.99)], mpirun(end=11, signal=15))
    assert not any(one.name.startswith("launcher") for one in found.culprits)


def test_whom_a_barrier_names_is_who_did_not_come() -> None:
    missed = "RuntimeError: [Rank 0]: Ranks 2 failed to pass monitoredBarrier in 4000 ms"
    came = "RuntimeError: Rank {} successfully reached monitoredBarrier, but received errors while waiting"
    ended = [rank(other, STEP, (14.1, RAISED.format(error=came.format(other))), end=14.5, code=1) for other in (1, 3)]
    waited = rank(0, STEP, (14, RAISED.format(error=missed)), end=14.4, code=1)
    found = verdict([waited, *ended, rank(2, STEP, end=15, signal=15, asked=14.8)])
    assert (named(found), found.category) == (["rank_2"], Category.HANG)


def test_data_of_another_size_are_told_by_who_is_innocent() -> None:
    thrown = "terminate called after throwing an instance of 'gloo::EnforceNotMet'\n  what():  [enforce fail at "
    thrown += "gloo/transport/tcp/pair.cc:456] op.preamble.length <= op.nbytes. 200 vs 4. Received data size doesn't "
    told = rank(1, STEP, (10, thrown + "match expected size."), end=10.2, signal=6)
    closed = [rank(other, STEP, (10.3, CLOSED.format(peer="10.77.0.10")), end=10.5, code=1) for other in (0, 2, 3)]
    found = verdict([told, *closed])
    assert (found.status, found.culprits) == (Status.UNKNOWN, ())


def test_tracebacks_of_those_that_ended_well_are_told_once() -> None:
    ended = [
        rank(one, (10 + one, RAISED.format(error=f"ValueError: sample {one}")), end=14, code=0) for one in range(2)
    ]
    found = verdict(ended, state="completed")
    assert found.status is Status.FINE
    assert found.remarks == (
        "both ranks printed tracebacks, but ended with 0; rank 0 raised ValueError: sample 0 first",
    )


def mpi_error(call: str, reporter: int, about: str) -> str:
    return (
        f"[node0:00000] *** An error occurred in {call}\n"
        f"[node0:00000] *** reported by process [1321992193,{reporter}]\n"
        f"[node0:00000] *** {about}\n"
        "[node0:00000] *** MPI_ERRORS_ARE_FATAL (processes in this communicator will abort,"
    )


def test_what_open_mpi_5_says_for_a_rank_in_its_launchers_output_is_that_ranks_word() -> None:
    ended = [rank(one, STEP, end=10.5, signal=15, asked=10.4) for one in (1, 3)]
    launcher = mpirun((10.01, mpi_error("Socket closed", 0, "Unknown error")), end=11, code=14)
    victim = rank(0, STEP, end=10, code=14)
    found = verdict([victim, *ended, rank(2, STEP, end=10.01, code=0)], launcher)
    assert (named(found), found.category) == (["rank_2"], Category.EARLY_EXIT)
    launcher = mpirun((9.98, mpi_error("MPI_Send", 2, "MPI_ERR_RANK: invalid rank")), end=11, code=6)
    found = verdict([*ended, rank(2, STEP, end=10, code=6)], launcher)
    assert (named(found), found.category) == (["rank_2"], Category.COLLECTIVE)


def test_who_left_early_is_named_when_a_launcher_ends_the_others_for_it() -> None:
    left = rank(2, STEP, end=10, code=0)
    killed = [rank(one, STEP, end=10.05, signal=9, was_exec_killed=True) for one in (0, 1, 3)]
    found = verdict([*killed, left], mpirun(end=10.1, code=255))
    assert (named(found), found.category) == (["rank_2"], Category.EARLY_EXIT)
    asked = [rank(one, STEP, end=12.1, signal=15, asked=12 + one / 10) for one in (0, 1, 3)]
    named_it = (11.9, "mpirun has exited due to process rank 2 with PID 147 on\nnode node1 exiting improperly.")
    found = verdict([*asked, left], mpirun(named_it, end=13, code=1))
    assert (named(found), found.category) == (["rank_2"], Category.EARLY_EXIT)
    assert not verdict([*asked, left], mpirun(end=13, code=1)).culprits
    assert not verdict([*asked, left], mpirun(named_it, end=13, code=1, asked=11.8)).culprits


def test_the_rank_behind_a_pid_that_a_launcher_names_is_told() -> None:
    named_it = (10.2, "=   PID 1302 RUNNING AT node1")
    ended = [rank(one, STEP, end=10.1, signal=9, was_exec_killed=True) for one in (0, 1, 2)]
    found = verdict([*ended, rank(3, STEP, end=10, signal=11)], mpirun(named_it, end=10.3, code=11))
    assert named(found) == ["rank_3"]
    assert "pid 1302 on node1, which the launcher names, is rank 2" in found.remarks


def test_the_code_of_an_abort_is_told_where_the_launcher_does_not_say_it_in_the_same_breath() -> None:
    said = (10.0, "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD\nwith errorcode 42.")
    ended = [rank(one, STEP, end=11, signal=15, asked=10.9) for one in range(3)]
    found = verdict([*ended, rank(3, STEP, end=10.5, code=42, asked=10.4)], mpirun(said, end=12, code=42))
    assert (named(found), found.category) == (["rank_3"], Category.MPI_ABORT)
    assert "called MPI_Abort with 42" in found.headline


def test_who_crashes_while_another_exits_may_have_lost_it() -> None:
    crashed, exited = rank(0, STEP, end=10, signal=11), rank(2, STEP, end=10.05, code=1)
    cleaned = [rank(one, STEP, end=10.1, signal=9, was_exec_killed=True) for one in (1, 3)]
    found = verdict([crashed, exited, *cleaned])
    assert (named(found), found.is_tie) == (["rank_0", "rank_2"], True)


def test_who_was_killed_in_a_group_may_have_said_why_before() -> None:
    culprit = rank(2, STEP, raised("ValueError: bad sample"), end=10.1, signal=9, was_exec_killed=True)
    found = verdict([*(VICTIMS["an abort"](other) for other in (0, 1, 3)), culprit])
    assert (named(found), found.category) == (["rank_2"], Category.EXCEPTION)


def test_an_error_that_all_the_others_hung_on_is_told_though_they_were_killed_much_later() -> None:
    raised_ = rank(2, STEP, raised("ValueError: bad sample"), end=80, signal=9, was_exec_killed=True)
    killed = rank(1, STEP, end=80, signal=9, was_exec_killed=True)
    asked = rank(0, STEP, end=80, signal=15, asked=79)
    gone = replace(rank(3, STEP, state="Terminated"), ended=Moment(ns(9.9), ns(82), 0, "node1"), ended_ns=ns(82))
    found = verdict([raised_, killed, asked, gone])
    assert (named(found), found.category) == (["rank_2"], Category.EXCEPTION)


def test_of_several_that_are_asked_to_end_the_first_is_no_culprit() -> None:
    found = verdict([rank(0, STEP, end=11, signal=15, asked=10), rank(1, STEP, end=11, signal=15, asked=10.9)])
    assert found.culprits == ()
