"""Each way in which a job fails, as the recorded evidence shows it, and who must be named."""

from __future__ import annotations

import pytest

from ranklog_collector.core.verdict.evidence import Machine, Member
from ranklog_collector.core.verdict.finding import Category, Confidence, Status
from tests.unit.verdict.jobs import CLOSED, RAISED, TIMED_OUT, mpirun, named, ns, process, rank, verdict

PEER = "10.77.0.11"


def victims(*ranks: int, at: float = 10.1) -> list[Member]:
    """Ranks that see a connection closed and end by that."""
    return [rank(one, (at + one / 100, CLOSED.format(peer=PEER)), end=at + 0.5, code=1) for one in ranks]


def steps(until: float = 9.9) -> tuple[float, str]:
    return until, "step 7 loss 0.5"


THROWN = "terminate called after throwing an instance of 'std::runtime_error'\n  what():  bad"


def raising(error: str) -> Member:
    return rank(3, steps(), (10, RAISED.format(error=error)), end=10.4, code=1)


ROOTS = {
    "exception": (raising("ValueError: boom"), Category.EXCEPTION),
    "import": (raising("ModuleNotFoundError: No module named 'x'"), Category.IMPORT),
    "abort": (rank(3, steps(), end=10, signal=6), Category.CRASH),
    "segv": (rank(3, steps(), end=10, signal=11), Category.CRASH),
    "segv in a shell": (rank(3, steps(), end=10, code=139), Category.CRASH),
    "kill": (rank(3, steps(), end=10, signal=9), Category.KILLED),
    "oom": (rank(3, steps(), end=10, signal=9, was_oom_killed=True), Category.OUT_OF_MEMORY),
    "exit 3": (rank(3, steps(), end=10, code=3), Category.EXIT_CODE),
    "no memory": (raising("MemoryError"), Category.OUT_OF_MEMORY),
    "gpu memory": (raising("torch.OutOfMemoryError: CUDA out of memory. Tried"), Category.GPU_MEMORY),
    "cuda": (raising("RuntimeError: CUDA error: an illegal memory access"), Category.GPU),
    "disk": (raising("OSError: [Errno 28] No space left on device"), Category.DISK_FULL),
    "c++": (rank(3, (10, THROWN), end=10.4, signal=6), Category.EXCEPTION),
    "early exit": (rank(3, steps(), end=10.3, code=0), Category.EARLY_EXIT),
    "usage": (rank(3, (10, "train.py: error: unrecognized arguments: --x"), end=10.1, code=2), Category.USAGE),
    "no command": (rank(3, (10, "./run.sh: line 2: nope: command not found"), end=10.1, code=127), Category.IMPORT),
}


@pytest.mark.parametrize("name", ROOTS)
def test_who_fails_first_is_named_and_not_who_suffers_from_it(name: str) -> None:
    culprit, category = ROOTS[name]
    found = verdict([*victims(0, 1, 2), culprit])
    assert named(found) == ["rank_3"]
    assert (found.status, found.category, found.is_tie) == (Status.FAILED, category, False)
    assert found.headline.startswith("rank 3 (node1 10.77.0.11, pid 1303) ")
    closed = [one for one in found.consequences if one.what == f"connection closed by {PEER}"]
    assert [one.ranks for one in closed] == [(0, 1, 2)]
    assert found.next_steps[0] == "ranklog logs r1 --rank 3 --tail 50"


@pytest.mark.parametrize("name", [name for name in ROOTS if name != "early exit"])
def test_a_victim_that_is_seen_before_the_culprits_end_is_none_the_less_one(name: str) -> None:
    culprit, category = ROOTS[name]
    found = verdict([*victims(0, 1, 2, at=9.95), culprit])
    assert (named(found), found.category) == (["rank_3"], category)


@pytest.mark.parametrize("name", [name for name in ROOTS if name != "early exit"])
def test_whom_the_launcher_ends_is_a_victim(name: str) -> None:
    culprit, category = ROOTS[name]
    ended = [rank(one, steps(), end=11, signal=15, asked=10.8) for one in (0, 1)]
    killed = rank(2, steps(), end=11, signal=9)
    found = verdict([*ended, killed, culprit], mpirun(end=11.2, code=1))
    assert (named(found), found.category) == (["rank_3"], category)


def test_who_ends_by_code_when_asked_is_a_victim() -> None:
    ended = [rank(one, steps(), end=11, code=1, asked=10.6) for one in (0, 1)]
    raised = rank(2, steps(), (10.7, RAISED.format(error="RuntimeError: interrupted")), end=11, code=1, asked=10.6)
    found = verdict([*ended, raised, ROOTS["segv"][0]])
    assert (named(found), found.category) == (["rank_3"], Category.CRASH)


def test_a_crash_with_nothing_beside_it_is_certain() -> None:
    found = verdict([*victims(0, 1, 2), ROOTS["segv"][0]])
    assert found.confidence is Confidence.CERTAIN
    assert "crashed by SIGSEGV at " in found.headline


def test_the_same_error_everywhere_names_the_first_and_tells_of_the_others() -> None:
    ranks = [
        rank(
            one, (10.0 if one == 2 else 10.3, RAISED.format(error=f"RuntimeError: corrupt, rank {one}")), end=11, code=1
        )
        for one in range(4)
    ]
    found = verdict(ranks)
    assert (named(found), found.is_tie) == (["rank_2"], False)
    assert "ranks 0-1,3 did the same 300 ms later" in found.headline


def test_events_within_the_clocks_error_are_a_tie() -> None:
    ranks = [rank(one, (10 + one / 1000, RAISED.format(error="ValueError: x")), end=11, code=1) for one in range(2)]
    found = verdict([*ranks, *victims(2, 3)])
    assert (named(found), found.is_tie, found.confidence) == (["rank_0", "rank_1"], True, Confidence.LIKELY)
    assert found.headline.startswith("ranks 0-1 raised ValueError: x at ")
    assert "nobody can tell which was first" in found.headline


def test_different_errors_in_a_tie_name_both() -> None:
    first = rank(0, (10, RAISED.format(error="ValueError: x")), end=11, code=1)
    second = rank(2, steps(), end=10.005, signal=11)
    found = verdict([first, second, *victims(1, 3)])
    assert (named(found), found.is_tie) == (["rank_0", "rank_2"], True)
    assert "one of them was first" in found.headline


def test_bad_arguments_of_all_are_nobodys() -> None:
    ranks = [
        rank(one, (1 + one, "train.py: error: unrecognized arguments: --x"), end=1.1 + one, code=2) for one in range(4)
    ]
    found = verdict(ranks)
    assert (named(found), found.category) == ([f"rank_{one}" for one in range(4)], Category.USAGE)
    assert found.headline.startswith("all 4 ranks said: train.py: error")


def test_a_missing_module_of_all_is_nobodys() -> None:
    error = RAISED.format(error="ModuleNotFoundError: No module named 'flash_attn'")
    found = verdict([rank(one, (1 + one / 5, error), end=2 + one / 5, code=1) for one in range(4)])
    assert len(found.culprits) == 4
    assert found.category is Category.IMPORT


def test_mpi_abort_names_its_rank() -> None:
    said = (10.05, "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD\nwith errorcode 42.")
    ranks = [rank(one, steps(), end=10.3, signal=15, asked=10.2) for one in range(3)]
    aborting = rank(3, steps(), end=10.1, code=42, asked=10.08)
    found = verdict([*ranks, aborting], mpirun(said, end=10.5, code=42))
    assert (named(found), found.category) == (["rank_3"], Category.MPI_ABORT)
    assert found.culprits[0].quotes[0].text.startswith("MPI_ABORT was invoked on rank 3")


def test_mpich_says_itself_who_aborts() -> None:
    said = (10, "Abort(42) on node 3 (rank 3 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 42) - process 3")
    ranks = [rank(one, steps(), end=10.02, signal=9) for one in range(3)]
    found = verdict([*ranks, rank(3, steps(), said, end=10.01, code=42)])
    assert (named(found), found.category) == (["rank_3"], Category.MPI_ABORT)


def test_healthy_ranks_of_open_mpi_say_that_a_socket_was_closed() -> None:
    noise = (9.99, "[node0:00000] *** An error occurred in Socket closed\n[node0:00000] *** MPI_ERRORS_ARE_FATAL")
    innocent = rank(1, steps(), noise, end=10.1, code=1)
    others = [rank(one, steps(), end=10.4, signal=15, asked=10.3) for one in (0, 2)]
    found = verdict([*others, innocent, ROOTS["kill"][0]])
    assert (named(found), found.category) == (["rank_3"], Category.KILLED)
    assert "connection closed by a peer" in [one.what for one in found.consequences]


def test_who_is_killed_alone_is_killed_before_those_that_are_killed_in_groups() -> None:
    killed = [rank(one, steps(), end=10 + one / 1000, signal=9, was_exec_killed=True) for one in range(3)]
    said = (10.2, "=   PID 1300 RUNNING AT node0\n=   EXIT CODE: 9")
    found = verdict([*killed, rank(3, steps(), end=10.004, signal=9)], mpirun(said, end=10.5, code=9))
    assert named(found) == ["rank_3"]


def test_a_launcher_that_kills_the_others_decides_no_tie_among_the_killed() -> None:
    killed = [rank(one, steps(), end=10 + one / 1000, signal=9) for one in range(4)]
    said = (10.2, "=   PID 1302 RUNNING AT node1\n=   EXIT CODE: 9")
    assert verdict(killed, mpirun(said, end=10.5, code=9)).culprits == ()


def test_a_launcher_that_knows_only_pids_decides_a_tie() -> None:
    crashed = [rank(one, steps(), end=10 + one / 1000, signal=11, node=1, exec_pid=1200 + one) for one in range(4)]
    said = (10.2, "=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n=   PID 1202 RUNNING AT node1")
    found = verdict(crashed, mpirun(said, end=10.5, code=9))
    assert named(found) == ["rank_2"]
    assert found.culprits[0].quotes[0].text == "=   PID 1202 RUNNING AT node1"


def test_a_pid_that_is_on_two_nodes_is_the_named_nodes() -> None:
    ranks = [rank(one, steps(), end=10 + one / 1000, signal=11, pid=20) for one in (1, 3)]
    found = verdict(ranks, mpirun((10.2, "=   PID 20 RUNNING AT node1"), end=10.5, code=9))
    (first, second) = found.culprits
    assert (first.quotes, second.quotes[0].text) == ((), "=   PID 20 RUNNING AT node1")


def test_a_launcher_decides_nothing_between_nodes_since_it_hears_of_its_own_sooner() -> None:
    crashed = [rank(one, steps(), end=10 + one / 1000, signal=11) for one in (0, 2)]
    said = (10.2, "mpirun noticed that process rank 0 with PID 1300 on node node0 exited on signal 11.")
    found = verdict([*crashed, *victims(1, 3)], mpirun(said, end=10.5, code=139))
    assert (named(found), found.is_tie) == (["rank_0", "rank_2"], True)


def test_what_a_launcher_repeats_of_its_ranks_is_no_evidence_of_its_own() -> None:
    copy = (9.5, RAISED.format(error="ValueError: of somebody") + "Connection closed by peer [10.77.0.10]:1")
    found = verdict([*victims(0, 1, 2), ROOTS["segv"][0]], mpirun(copy, end=10.5, code=139))
    assert named(found) == ["rank_3"]


def test_of_ranks_that_were_not_captured_the_launcher_names_one() -> None:
    said = (
        10,
        "mpirun noticed that process rank 3 with PID 1349 on node node1 exited on signal 11 (Segmentation fault).",
    )
    found = verdict([], mpirun(said, end=10.2, code=139), world_size=None)
    (culprit,) = found.culprits
    assert (culprit.name, culprit.rank, culprit.pid, culprit.hostname) == ("rank_3", 3, 1349, "node1")
    assert found.category is Category.CRASH


@pytest.mark.parametrize("error", ["ConnectionResetError: [Errno 104] Connection reset by peer", "BrokenPipeError: x"])
def test_pythons_own_connection_errors_are_consequences(error: str) -> None:
    ranks = [rank(one, (9.9, RAISED.format(error=error)), end=10.3, code=1) for one in range(3)]
    assert named(verdict([*ranks, ROOTS["exit 3"][0]])) == ["rank_3"]


def test_all_killed_at_once_accuses_nobody() -> None:
    found = verdict([rank(one, steps(), end=10 + one / 1000, signal=9) for one in range(4)])
    assert found.culprits == ()
    assert (found.status, found.category) == (Status.FAILED, Category.KILLED)
    assert "from outside" in found.headline


def test_all_asked_to_end_is_a_cancellation() -> None:
    found = verdict([rank(one, steps(), end=11, signal=15, asked=10) for one in range(4)], state="canceled")
    assert (found.status, found.category, found.culprits) == (Status.CANCELED, Category.CANCELED, ())


def test_a_launcher_that_is_interrupted_is_a_cancellation_whatever_ranks_say_then() -> None:
    raised = rank(1, steps(), (10.1, RAISED.format(error="RuntimeError: queue closed")), end=10.3, code=1)
    others = [rank(one, steps(), end=11, signal=2, asked=10) for one in (0, 2, 3)]
    found = verdict([raised, *others], mpirun(end=11, code=130, asked=10), state="canceled")
    assert (found.status, found.culprits) == (Status.CANCELED, ())


@pytest.mark.parametrize(
    ("words", "category"),
    [("DUE TO TIME LIMIT ***", Category.TIME_LIMIT), ("DUE TO PREEMPTION ***", Category.PREEMPTED)],
)
def test_who_governs_the_job_may_end_it(words: str, category: Category) -> None:
    said = (10.4, f"slurmstepd: error: *** STEP 13.0 ON node0 CANCELLED AT 2026-11-23T21:25:31 {words}")
    raised = rank(1, (10.3, RAISED.format(error="SystemError: signal 15")), end=10.6, code=1)
    others = [rank(one, steps(), end=10.5, signal=15, asked=10.2) for one in (0, 2, 3)]
    found = verdict([raised, *others], mpirun(said, end=11, code=1, asked=10.2))
    assert (found.category, found.culprits, found.status) == (category, (), Status.FAILED)


def test_a_rank_that_failed_long_before_the_time_limit_is_not_forgiven() -> None:
    said = (100, "slurmstepd: error: *** STEP 13.0 ON node0 CANCELLED AT 2026-11-23T21:25:31 DUE TO TIME LIMIT ***")
    others = [rank(one, steps(), end=100, signal=15, asked=100) for one in (0, 1, 2)]
    found = verdict([*others, ROOTS["segv"][0]], mpirun(said, end=101, code=1))
    assert named(found) == ["rank_3"]


def test_a_traceback_that_a_signal_cut_off_proves_nothing_against_its_process() -> None:
    said = (10.0, 'Traceback (most recent call last):\n  File "train.py", line 60, in <module>\n')
    bad = rank(2, steps(), end=10.001, code=3)
    cut_off = rank(3, steps(), said, end=10.02, signal=15, asked=10.01)
    found = verdict([bad, cut_off, *victims(0, 1)])
    assert named(found) == ["rank_2"]


def test_a_node_that_is_lost_is_named_with_its_ranks_last_words() -> None:
    lost = [rank(one, (9.5, f"tick {one}"), state="Lost") for one in (2, 3)]
    others = [rank(one, (12, CLOSED.format(peer=PEER)), end=12.5, code=1) for one in (0, 1)]
    machines = (
        Machine("node0", "10.77.0.10", "node0"),
        Machine("node1", PEER, "node1", event="lost", time_ns=ns(13), heard_ns=ns(10)),
    )
    found = verdict([*others, *lost], machines=machines)
    assert (named(found), found.category, found.status) == (["node1"], Category.NODE_LOST, Status.FAILED)
    assert found.headline.startswith("node node1 (10.77.0.11) with ranks 2-3 was lost, last heard at ")
    assert {quote.text for quote in found.culprits[0].last_words} == {"tick 2", "tick 3"}


def test_a_node_that_crashed_is_named_though_its_last_word_was_heard_after_the_launcher_had_killed_the_rest() -> None:
    lost = rank(2, (9.5, "tick 2"), state="Lost")
    killed = [rank(0, (9.5, "tick 0"), end=9.8, signal=9), rank(1, (9.5, "tick 1"), end=9.8, signal=15, asked=9.8)]
    machines = (Machine("node0"), Machine("node1", PEER, "node1", event="lost", time_ns=ns(13), heard_ns=ns(10)))
    found = verdict([*killed, lost], machines=machines)
    assert (named(found), found.category) == (["node1"], Category.NODE_LOST)


def test_a_node_that_is_lost_while_the_job_runs_is_a_suspect() -> None:
    ranks = [rank(0, (12, "tick 0")), rank(2, (9.5, "tick 2"), state="Lost")]
    machines = (Machine("node0"), Machine("node1", PEER, "node1", event="lost", time_ns=ns(13), heard_ns=ns(10)))
    found = verdict(ranks, machines=machines, state="running", is_live=True, now_ns=ns(13))
    assert (named(found), found.status) == (["node1"], Status.SUSPECT)


def test_who_fails_before_its_node_is_lost_is_named_itself() -> None:
    machines = (Machine("node0"), Machine("node1", PEER, "node1", event="lost", time_ns=ns(60), heard_ns=ns(57)))
    found = verdict([*victims(0, 1), rank(2, steps(), state="Lost"), ROOTS["segv"][0]], machines=machines)
    assert named(found) == ["rank_3"]


def test_a_hang_is_the_one_that_did_not_complain() -> None:
    waiting = [rank(one, (9, "step 2"), (20, TIMED_OUT), end=21, code=1) for one in (0, 1, 3)]
    hung = rank(2, (9, "step 2"), (9.1, "about to hang"), end=21.5, signal=15, asked=21.2)
    found = verdict([*waiting, hung])
    assert (named(found), found.category, found.confidence) == (["rank_2"], Category.HANG, Confidence.LIKELY)
    assert found.culprits[0].last_words[0].text == "about to hang"


def test_a_watchdog_that_all_hear_accuses_nobody() -> None:
    found = verdict([rank(one, (9, "step 2"), (20, TIMED_OUT), end=21, code=1) for one in range(4)])
    assert (found.status, found.culprits, found.category) == (Status.UNKNOWN, (), Category.COLLECTIVE)


def test_nccl_tells_who_is_behind() -> None:
    work = (
        "[rank{0}]:[E1206 18:44:12.7 ProcessGroupNCCL.cpp:1664] [PG 1 Rank {0}] Exception (either an error or timeout) "
        "detected by watchdog at work: {1}, last enqueued NCCL work: {1}, last completed NCCL work: 10."
    )
    ranks = [rank(one, (20, work.format(one, 11 if one == 1 else 13)), end=21, signal=6) for one in range(4)]
    found = verdict(ranks)
    assert (named(found), found.category) == (["rank_1"], Category.HANG)
    assert "collective 11, the others to 13" in found.headline


def test_closed_connections_alone_accuse_nobody() -> None:
    found = verdict(victims(0, 1, 2, 3))
    assert (found.status, found.culprits) == (Status.UNKNOWN, ())


def test_early_exit_goes_before_the_kill_that_follows_it() -> None:
    left = rank(2, steps(), end=10, code=0)
    killed = rank(0, steps(), end=10.9, signal=9)
    found = verdict([left, killed, *victims(1, 3, at=10.4)])
    assert (named(found), found.category) == (["rank_2"], Category.EARLY_EXIT)


def test_of_a_normal_end_nobody_is_accused_who_was_quicker() -> None:
    done = [rank(one, (10, "done"), end=10 + one / 10, code=0) for one in range(3)]
    slow = rank(3, (10, "done"), (10.5, CLOSED.format(peer=PEER)), end=11, code=1)
    assert verdict([*done, slow]).culprits == ()


def test_restarts_are_judged_each_for_itself() -> None:
    first = [rank(0, steps(), end=10, code=3), rank(1, steps(), end=10.5, signal=15, asked=10.4)]
    second = [rank(one, (20, "step 9"), (30, "done"), end=31, code=0, life=1, start=15) for one in range(2)]
    found = verdict([*first, *second], state="completed")
    assert (found.status, found.attempt) == (Status.FINE, 1)
    assert any(one.startswith("start 1 of 2: rank 0 ") for one in found.remarks)


def test_a_job_that_was_requeued_and_then_completed_is_fine() -> None:
    first = [rank(one, steps(), end=10.5, signal=15, asked=10) for one in range(2)]
    second = [rank(one, (30, "done"), end=31, code=0, life=1, start=15) for one in range(2)]
    requeued, last = mpirun(end=11, code=143, asked=10), mpirun(end=32, code=0, start=14)
    found = verdict([*first, *second], state="completed", launchers=(requeued, last))
    assert (found.status, found.attempt) == (Status.FINE, 1)


def test_processes_that_run_beside_each_other_are_of_one_life() -> None:
    inner = [rank(one, steps(), end=10, signal=11 if one == 0 else 15) for one in range(2)]
    outer = [rank(one, end=10.1, code=139 if one == 0 else 143, life=1, start=0.1) for one in range(2)]
    found = verdict([*inner, *outer])
    assert (found.attempt, {one.rank for one in found.culprits}) == (None, {0})


def test_a_single_process_that_fails_is_named() -> None:
    alone = process("process_77", (1, RAISED.format(error="ValueError: boom")), end=1.1, code=1, role="process", pid=77)
    found = verdict([alone], world_size=None)
    assert found.headline.startswith("process 77 raised ValueError: boom at ")


def test_a_process_that_is_alone_has_nobody_else_to_blame() -> None:
    error = RAISED.format(error="ConnectionRefusedError: [Errno 111] Connection refused")
    found = verdict([process("process_77", (1, error), end=1.1, code=1, role="process", pid=77)], world_size=None)
    assert found.headline.startswith("process 77 raised ConnectionRefusedError: [Errno 111] Connection refused")
    assert (found.status, found.category) == (Status.FAILED, Category.EXCEPTION)


def test_who_alone_loses_a_connection_while_all_others_live_lost_it_to_another_program() -> None:
    error = RAISED.format(error="ConnectionRefusedError: [Errno 111] Connection refused")
    refused = rank(1, steps(), (10, error), end=10.3, code=1)
    ended = [rank(one, steps(), end=12, signal=15, asked=11) for one in (0, 2, 3)]
    found = verdict([refused, *ended])
    assert (named(found), found.category, found.confidence) == (["rank_1"], Category.EXCEPTION, Confidence.POSSIBLE)
    assert [one.ranks for one in found.consequences] == [(0, 2, 3)]
    assert verdict([rank(1, (10, CLOSED.format(peer=PEER)), end=10.3, code=1), *ended]).culprits == ()
    assert verdict([rank(1, (10, TIMED_OUT), end=10.3, code=1), *ended]).category is not Category.EXCEPTION


def test_very_many_ranks_are_counted() -> None:
    found = verdict([rank(one, (10, "x"), end=10, signal=9 if one % 2 else None) for one in range(100)])
    assert found.headline.startswith("50 ranks (1,3,5,")
    assert len(found.headline) < 160


def test_a_program_that_could_not_be_started_is_the_launchers_message() -> None:
    said = (1, "mpirun was unable to find the specified executable file, and therefore did not launch the job.")
    found = verdict([], mpirun(said, end=1.2, code=134), world_size=None)
    assert (found.status, found.category) == (Status.FAILED, Category.IMPORT)
    assert "could not start the program" in found.headline


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_a_run_in_which_all_end_well_is_fine(state: str) -> None:
    found = verdict([rank(one, (10, "done"), end=11, code=0) for one in range(4)], state=state)
    assert (found.status, found.headline) == (Status.FINE, "all 4 ranks ended with 0")


def test_a_traceback_that_was_handled_is_a_remark() -> None:
    odd = rank(0, (5, RAISED.format(error="OSError: retrying")), (10, "done"), end=11, code=0)
    found = verdict([odd, rank(1, (10, "done"), end=11, code=0)], state="completed")
    assert found.status is Status.FINE
    assert any("printed a traceback, but ended with 0" in one for one in found.remarks)


def test_who_ended_well_before_the_others_is_a_remark() -> None:
    early = rank(2, (7, "step 2 loss 0.5"), end=7, code=0)
    found = verdict(
        [*(rank(one, (10, "step 9 loss 0.1"), end=10, code=0) for one in (0, 1, 3)), early], state="completed"
    )
    assert found.status is Status.FINE
    assert found.remarks == ("rank 2 ended with 0, 3.0 s before the others; its last line: step 2 loss 0.5",)


def test_what_was_said_long_before_the_end_is_not_why() -> None:
    later = "\n".join(f"step {number}" for number in range(20))
    said = (10, "CUDA error: out of sorts, trying again"), (11, later), (400, "step 99")
    closed = (10, CLOSED.format(peer=PEER)), (11, later), (400, "step 99")
    one, two = rank(0, *said, end=401, code=3), rank(1, *closed, end=401.5, code=3)
    found = verdict([one, two, *(rank(one, steps(), end=405, signal=15, asked=404) for one in (2, 3))])
    assert (named(found), found.category) == (["rank_0"], Category.EXIT_CODE)


def test_who_handled_an_error_and_went_on_is_not_blamed_for_a_later_end() -> None:
    went_on = (10.2, "\n".join(f"step {number} loss 0.5" for number in range(8, 14)))
    handled = RAISED.format(error="ValueError: bad record")
    ended = rank(0, steps(), (10, handled), went_on, end=13, signal=15, asked=12.1)
    killed = rank(1, steps(), (10, handled), went_on, end=12, signal=9)
    found = verdict([ended, killed, rank(2, steps(), end=13, signal=15, asked=12.1)])
    assert (named(found), found.category) == (["rank_1"], Category.KILLED)


def test_a_single_line_as_before_shows_that_an_error_was_handled() -> None:
    handled = (10, RAISED.format(error="ValueError: bad record")), (10.2, "step 8 loss 0.5")
    ended = rank(0, steps(), *handled, end=12, signal=15, asked=11)
    found = verdict([ended, rank(1, steps(), end=10.8, code=3)])
    assert (named(found), found.category) == (["rank_1"], Category.EXIT_CODE)


def test_who_handled_an_error_and_later_gives_up_is_not_said_to_have_raised_it() -> None:
    went_on = (10.2, "\n".join(f"step {number} loss 0.5" for number in range(8, 14)))
    handled = (10, RAISED.format(error="ValueError: bad record"))
    found = verdict([rank(0, steps(), handled, went_on, (15, "no progress, giving up"), end=15.1, code=1)])
    assert (named(found), found.category) == (["rank_0"], Category.EXIT_CODE)


def test_who_lived_on_for_long_after_an_error_is_not_blamed_for_who_ended_by_itself() -> None:
    handled = rank(0, steps(), (10, RAISED.format(error="ValueError: bad record")), end=101, signal=15, asked=100.5)
    found = verdict([handled, rank(1, steps(), end=100, code=3), rank(2, steps(), end=101, signal=15, asked=100.5)])
    assert (named(found), found.category) == (["rank_1"], Category.EXIT_CODE)


def test_who_raised_and_was_ended_soon_after_is_blamed_before_who_ended_by_itself() -> None:
    slow = rank(0, steps(), (10, RAISED.format(error="ValueError: boom")), end=16, signal=15, asked=15.5)
    found = verdict([slow, rank(1, steps(), end=15, code=3)])
    assert (named(found), found.category) == (["rank_0"], Category.EXCEPTION)


def test_a_launcher_that_fails_alone_is_unknown() -> None:
    found = verdict([rank(one, (10, "done"), end=11, code=0) for one in range(2)], mpirun(end=12, code=1))
    assert (found.status, found.culprits) == (Status.UNKNOWN, ())


def test_ends_that_were_not_recorded_are_unknown() -> None:
    found = verdict([rank(0, (10, "x"), end=11, code=0), rank(1, (10, "x"), state="Terminated")], state="lost")
    assert found.status is Status.UNKNOWN
    assert found.headline == "how rank 1 ended was not recorded"


def test_one_that_ended_early_without_the_others_last_line_is_a_suspect() -> None:
    ranks = [rank(one, (10, f"rank {one} finished"), end=10, code=0) for one in (0, 1, 3)]
    found = verdict([*ranks, rank(2, (7, "rank 2 LAST LINE"), end=7, code=0)], state="completed")
    assert (named(found), found.status, found.category) == (["rank_2"], Status.SUSPECT, Category.EARLY_EXIT)
