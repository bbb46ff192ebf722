"""Stacks as lines, in groups and as one tree; and who stands out."""

from __future__ import annotations

import orjson
import pytest

from ranklog_collector.core.stacks import Basis, Done, Dump, Folding, Frame, Member, Stack, Thread, fold, parse

C10D = "/usr/lib/python3/torch/distributed/distributed_c10d.py"
MODULE = Frame("<module>", "/job/trainer.py", 57)
TRAIN = Frame("main", "/job/trainer.py", 44)
IN_REDUCE = (Frame("all_reduce", C10D, 2897), Frame("wrapper", "/x/c10d_logger.py", 83), TRAIN, MODULE)
IN_BARRIER = (Frame("barrier", C10D, 4000), Frame("main", "/job/trainer.py", 50), MODULE)
ASLEEP = (Frame("fail", "/job/trainer.py", 30), Frame("main", "/job/trainer.py", 42), MODULE)


def folded(*stacks: Stack) -> Folding:
    return fold((Member(f"rank_{rank}", rank), stack) for rank, stack in enumerate(stacks))


def suspected(*stacks: Stack) -> tuple[int, ...]:
    return tuple(rank for group in folded(*stacks).suspects for rank in group.ranks)


def line(**fields: object) -> bytes:
    return orjson.dumps({"request": "r", "process": "0-1-1", "pid": 7, "t": 5, **fields})


def dumped(**fields: object) -> Dump:
    found = parse(line(**fields))
    assert isinstance(found, Dump)
    return found


# ---- folding --------------------------------------------------------------------------------------------------------


def test_equal_stacks_are_one_group_and_the_largest_comes_first() -> None:
    folding = folded(ASLEEP, IN_REDUCE, IN_REDUCE, IN_REDUCE)
    assert [(group.ranks, group.stack[0].function) for group in folding.groups] == [
        ((1, 2, 3), "all_reduce"),
        ((0,), "fail"),
    ]


def test_the_tree_has_what_is_common_once_and_counts_who_is_where() -> None:
    (module,) = folded(IN_REDUCE, IN_REDUCE, ASLEEP, IN_REDUCE).tree
    assert module.frame == MODULE
    assert len(module.members) == 4
    assert {frame.line: len(branch.members) for frame, branch in module.calls.items()} == {44: 3, 42: 1}


def test_who_is_elsewhere_while_the_others_wait_for_it_is_suspected() -> None:
    folding = folded(IN_REDUCE, IN_REDUCE, ASLEEP, IN_REDUCE)
    assert folding.basis is Basis.NOT_WAITING
    assert [group.ranks for group in folding.suspects] == [(2,)]
    assert folding.groups[0].waits_in == "all_reduce"


def test_of_two_the_one_that_does_not_wait_is_suspected() -> None:
    assert suspected(IN_REDUCE, ASLEEP) == (1,)


def test_one_that_waits_for_many_who_work_accuses_nobody() -> None:
    working = tuple((Frame("step", "/job/trainer.py", number), MODULE) for number in range(3))
    assert suspected(IN_REDUCE, *working) == ()


def test_who_waits_in_another_collective_is_suspected() -> None:
    folding = folded(IN_REDUCE, IN_BARRIER, IN_REDUCE)
    assert folding.basis is Basis.WAITING_ELSEWHERE
    assert [group.ranks for group in folding.suspects] == [(1,)]


def test_waiting_in_one_collective_called_from_two_places_is_no_reason_for_suspicion() -> None:
    assert suspected(IN_REDUCE, IN_REDUCE, (IN_REDUCE[0], ASLEEP[1], MODULE)) == ()


def test_where_nobody_is_known_to_wait_a_small_minority_is_suspected() -> None:
    folding = folded(ASLEEP, ASLEEP, (TRAIN, MODULE))
    assert folding.basis is Basis.MINORITY
    assert [group.ranks for group in folding.suspects] == [(2,)]


@pytest.mark.parametrize(
    "stacks", [(), ((),), (ASLEEP,), (ASLEEP, ASLEEP), (ASLEEP, (TRAIN, MODULE)), (IN_REDUCE, IN_REDUCE)]
)
def test_without_an_odd_one_out_nobody_is_suspected(stacks: tuple[Stack, ...]) -> None:
    assert suspected(*stacks) == ()
    assert folded(*stacks).basis is None


def test_processes_without_a_stack_are_in_no_group() -> None:
    assert [group.ranks for group in folded(ASLEEP, (), ASLEEP).groups] == [(0, 2)]


def test_a_native_collective_is_known_by_its_name() -> None:
    waiting = (Frame("ucp_worker_progress", "libucp.so"), Frame("PMPI_Allreduce", "libmpi.so"), Frame("main", "a.out"))
    working = (Frame("nanosleep", "libc.so"), Frame("main", "a.out"))
    assert suspected(waiting, working, waiting) == (1,)
    assert folded(waiting).groups[0].waits_in == "MPI_Allreduce"


def test_a_function_of_the_job_that_is_called_like_a_collective_is_none() -> None:
    assert folded((Frame("gather", "/job/data.py", 3),)).groups[0].waits_in == ""


def test_a_thousand_ranks_are_folded() -> None:
    stacks: list[Stack] = [IN_REDUCE] * 1024
    stacks[513] = ASLEEP
    folding = folded(*stacks)
    assert [len(group.members) for group in folding.groups] == [1023, 1]
    assert [group.ranks for group in folding.suspects] == [(513,)]


# ---- the thread that speaks for a process ---------------------------------------------------------------------------


def test_the_main_thread_speaks_for_its_process() -> None:
    other, main = Thread("w", False, ASLEEP), Thread("MainThread", True, IN_REDUCE)
    assert Dump("r", "k", 1, 1, threads=(other, main)).stack == IN_REDUCE


def test_another_thread_speaks_if_the_main_one_has_no_frames() -> None:
    other, main = Thread("w", False, ASLEEP), Thread("MainThread", True, ())
    assert Dump("r", "k", 1, 1, threads=(main, other)).stack == ASLEEP
    assert Dump("r", "k", 1, 1).stack == ()


# ---- lines ----------------------------------------------------------------------------------------------------------


def test_a_line_tells_all_about_a_process() -> None:
    frames = [{"function": "f", "file": "/x/a.py", "line": 3}, {"function": "g"}]
    dump = dumped(how="py-spy", parent=3, state="S", threads=[{"name": "MainThread", "main": True, "frames": frames}])
    assert (dump.how, dump.parent, dump.state, dump.pid, dump.time_ns) == ("py-spy", 3, "S", 7, 5)
    assert dump.threads == (Thread("MainThread", True, (Frame("f", "/x/a.py", 3), Frame("g"))),)
    assert [str(frame) for frame in dump.stack] == ["f (a.py:3)", "g"]


def test_functions_without_a_name_are_the_same_in_all_processes() -> None:
    one, other = (dumped(threads=[{"frames": [{"function": at, "file": "libc.so"}]}]) for at in ("0x7f11", "0x7fee"))
    assert one.stack == other.stack == (Frame("??", "libc.so"),)


def test_a_node_that_has_answered_says_so() -> None:
    assert parse(b'{"request":"r","t":9,"done":true,"processes":4}') == Done("r", 9)


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"\0\xff",
        b"[]",
        b"7",
        b'{"request":"r"}',
        b'{"request":"r","t":true,"done":true}',
        b'{"request":["r"],"t":1,"process":"k","pid":1}',
        b'{"request":"r","t":-1,"process":"k","pid":1}',
        b'{"request":"r","t":1,"process":"k","pid":"1"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_line_is_none(hostile: bytes) -> None:
    assert parse(hostile) is None


@pytest.mark.parametrize("threads", [None, 3, {"a": 1}, ["x"], [{"frames": 3}], [{"frames": [3, {}, {"function": 3}]}]])
def test_nonsense_in_a_line_is_left_out(threads: object) -> None:
    assert dumped(threads=threads).stack == ()


def test_what_is_too_much_is_cut() -> None:
    frame = {"function": "f" * 1000, "file": "x" * 1000, "line": 1}
    dump = dumped(error="e" * 1000, threads=[{"name": "n" * 1000, "frames": [frame] * 600}, *[{"frames": []}] * 600])
    assert len(dump.threads) == len(dump.stack) == 512
    assert {len(dump.error), len(dump.threads[0].name), len(dump.stack[0].function), len(dump.stack[0].file)} == {500}
