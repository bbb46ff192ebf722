"""PyTorch's flight recorder: who is missing from a collective, who called another one."""

from __future__ import annotations

from typing import Any

import pytest

from ranklog_collector.core.flight_recorder import Finding, Kind, Recording, compare, read

WORLD = {"0": {"name": "0", "desc": "default_pg", "ranks": "[0, 1, 2, 3]"}}


def entry(number: int, name: str = "all_reduce", state: str = "completed", **more: Any) -> dict[str, Any]:
    """An entry as PyTorch 2.13 writes it."""
    return {
        "frames": [{"name": "train", "filename": "/job/train.py", "line": 7}],
        "record_id": number - 1,
        "pg_id": 0,
        "process_group": ("0", "default_pg"),
        "collective_seq_id": number,
        "p2p_seq_id": 0,
        "op_id": number,
        "profiling_name": f"nccl:{name}",
        "time_created_ns": 1,
        "input_sizes": ((4, 2),),
        "input_dtypes": ["Float"],
        "output_sizes": ((4, 2),),
        "output_dtypes": ["Float"],
        "state": state,
        "time_discovered_started_ns": None,
        "time_discovered_completed_ns": None,
        "retired": state == "completed",
        "timeout_ms": 600000,
        "is_p2p": False,
        **more,
    }


def recording(rank: int, *entries: dict[str, Any], config: object = WORLD) -> Recording:
    return read(rank, {"version": "2.10", "pg_config": config, "pg_status": {}, "entries": list(entries)})


def only(*recordings: Recording) -> Finding:
    (finding,) = compare(recordings)
    return finding


def waiting(rank: int) -> Recording:
    return recording(rank, entry(16), entry(17, state="started"))


def test_a_rank_that_has_not_called_what_the_others_wait_in_is_missing() -> None:
    finding = only(waiting(0), waiting(1), recording(2, entry(15), entry(16, "barrier")), waiting(3))
    # Rank 2 called a barrier as #16, the others all_reduce: that came first.
    assert (finding.kind, finding.number, finding.ranks) == (Kind.MISMATCH, 16, (2,))
    finding = only(waiting(0), waiting(1), recording(2, entry(15), entry(16)), waiting(3))
    assert (finding.kind, finding.ranks, finding.waiting, finding.unrecorded) == (Kind.MISSING, (2,), (0, 1, 3), ())
    assert finding.summary == "did not call all_reduce #17 of default_pg (last called all_reduce #16)"


def test_who_runs_ahead_does_not_move_the_collective_that_is_waited_in() -> None:
    ahead = recording(0, entry(17, state="started"), entry(18, "all_gather", "scheduled"), entry(19, state="scheduled"))
    finding = only(ahead, waiting(1), recording(2, entry(16)), waiting(3))
    assert (finding.number, finding.name, finding.ranks) == (17, "all_reduce", (2,))


def test_who_called_another_collective_is_named_with_what_it_called() -> None:
    other = recording(1, entry(16), entry(17, "broadcast", "started"))
    finding = only(waiting(0), other, waiting(2), waiting(3))
    assert (finding.kind, finding.ranks, finding.waiting) == (Kind.MISMATCH, (1,), (0, 2, 3))
    assert finding.summary == "called broadcast where the others called all_reduce #17 of default_pg"


def test_who_brought_another_size_is_named_with_it() -> None:
    other = recording(3, entry(16), entry(17, state="started", input_sizes=[[4, 3]]))
    finding = only(waiting(0), waiting(1), waiting(2), other)
    assert (finding.kind, finding.ranks) == (Kind.MISMATCH, (3,))
    assert finding.summary == "called all_reduce of 4×3 where the others called all_reduce of 4×2 #17 of default_pg"


def test_sizes_may_differ_where_they_may() -> None:
    gather = [recording(rank, entry(1, "all_to_all", "started", input_sizes=[[rank]])) for rank in range(4)]
    assert only(*gather).kind is Kind.STUCK


def test_where_half_call_one_thing_and_half_another_nobody_is_right() -> None:
    other = [recording(rank, entry(16), entry(17, "barrier", "started")) for rank in (2, 3)]
    finding = only(waiting(0), waiting(1), *other)
    assert (finding.kind, finding.ranks, finding.waiting) == (Kind.MISMATCH, (0, 1, 2, 3), ())


def test_where_all_are_in_it_nobody_is_blamed() -> None:
    finding = only(*(waiting(rank) for rank in range(4)))
    assert (finding.kind, finding.ranks) == (Kind.STUCK, (0, 1, 2, 3))
    assert finding.summary == "all are in all_reduce #17 of default_pg, which does not end"


def test_a_member_without_a_recording_is_missing_if_nobody_else_is() -> None:
    finding = only(waiting(0), waiting(1), waiting(3))
    assert (finding.kind, finding.ranks, finding.unrecorded) == (Kind.MISSING, (2,), (2,))


def test_a_member_that_has_called_nothing_yet_is_missing() -> None:
    finding = only(*(recording(rank, entry(1, state="started")) for rank in range(3)), recording(3))
    assert (finding.kind, finding.ranks, finding.summary) == (
        Kind.MISSING,
        (3,),
        "did not call all_reduce #1 of default_pg",
    )


def test_where_all_has_ended_there_is_nothing_to_say() -> None:
    assert compare([recording(0, entry(16)), recording(1, entry(16), entry(17))]) == []
    assert compare([]) == []


def test_groups_are_compared_each_by_itself() -> None:
    config = {**WORLD, "7": {"name": "7", "desc": "tensor_parallel", "ranks": "[0, 1]"}}
    inner: dict[str, Any] = {"process_group": ["7", "tensor_parallel"]}
    finding = only(
        recording(0, entry(1), entry(5, state="started", **inner), config=config),
        recording(1, entry(1), entry(4, **inner), config=config),
        recording(2, entry(1)),
        recording(3, entry(1)),
    )
    assert (finding.group, finding.ranks, finding.waiting) == ("tensor_parallel", (1,), (0,))


def test_what_two_ranks_send_each_other_is_no_collective() -> None:
    sent = entry(0, "send 0->1", "started", is_p2p=True, p2p_seq_id=1)
    assert compare([recording(0, sent), recording(1)]) == []


def test_json_which_has_lists_for_tuples_is_read_alike() -> None:
    one = {**entry(17, state="started"), "process_group": ["0", "default_pg"], "input_sizes": [[4, 2]]}
    assert recording(0, one) == recording(0, entry(17, state="started"))


@pytest.mark.parametrize("loaded", [None, 3, [], {}, {"entries": 3}, "entries"])
def test_what_is_no_recording_is_refused(loaded: object) -> None:
    with pytest.raises(ValueError, match="no entries"):
        read(0, loaded)


@pytest.mark.parametrize(
    "hostile",
    [
        {"process_group": "0"},
        {"process_group": []},
        {"process_group": [["0"]]},
        {"collective_seq_id": "17"},
        {"collective_seq_id": True},
        {"collective_seq_id": -1},
        {"collective_seq_id": 1 << 80},
        {"profiling_name": None},
        {"input_sizes": {"a": 1}},
        {"input_sizes": [["x"]]},
        {"input_sizes": [[1] * 1000] * 1000},
        {"input_sizes": [[1 << 4000]]},
        {"state": ["completed"]},
    ],
)
def test_nonsense_in_an_entry_does_no_harm(hostile: dict[str, Any]) -> None:
    found = compare([recording(rank, {**entry(17, state="started"), **hostile}) for rank in range(2)])
    assert all(len(one.summary) < 500 for one in found)


@pytest.mark.parametrize(
    "config", [None, [], {"0": None}, {0: {"ranks": 5}}, {"0": {"ranks": "9" * 10_000, "desc": ["x"]}}, {"": {}}]
)
def test_nonsense_in_the_configuration_does_no_harm(config: object) -> None:
    compare([recording(0, entry(17, state="started"), config=config)])
