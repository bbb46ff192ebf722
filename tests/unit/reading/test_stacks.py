"""Stacks as a run folder holds them: of the request that is meant, over nodes, by the collector's clock."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import orjson
import pytest

from ranklog_collector.core import journal
from ranklog_collector.core.requests import StackRequest, parse
from ranklog_collector.reading import asking
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.stacks import StackSet, latest_stacks, of_ranks, stacks_of
from tests.support.run_writer import RunWriter, ns

FIRST, SECOND = "1" * 16, "2" * 16


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    """Two nodes, whose clocks differ by an hour, with two ranks each."""
    run = RunWriter(tmp_path / "runs/default/r1", world_size=4)
    for number, node in enumerate(("n0", "n1")):
        run.node(node, f"10.0.0.{number}")
    run.clock("n1", -3600.0)
    return run


def line(request: str, key: str, function: str, at: float, **more: Any) -> bytes:
    threads = [{"name": "MainThread", "main": True, "frames": [{"function": function}]}] if function else []
    fields = {"request": request, "t": ns(at), "process": key, "pid": 5, "how": "py-spy", "threads": threads, **more}
    return orjson.dumps(fields) + b"\n"


def done(request: str, at: float) -> bytes:
    return orjson.dumps({"request": request, "t": ns(at), "done": True, "processes": 2}) + b"\n"


def latest(run: RunWriter) -> StackSet:
    found = latest_stacks(RunFolder(str(run.folder)))
    assert found is not None
    return found


def test_the_last_request_is_put_together_over_nodes(run: RunWriter) -> None:
    keys = [run.rank(rank, f"n{rank // 2}") for rank in range(4)]
    streams = [run.stream(f".ranklog/stacks/n{number}.jsonl", f"n{number}", "stacks") for number in range(2)]
    # By its own clock node n1 is an hour ahead: its answer to the first request is not the last one.
    run.write(streams[1], line(FIRST, keys[2], "old", 3605))
    run.log(journal.Stacks(SECOND, ("n0", "n1"), "silence", ns(9)))
    for rank, key in enumerate(keys):
        run.write(streams[rank // 2], line(SECOND, key, "odd" if rank == 3 else "usual", 10 + rank // 2 * 3600))
    run.write(streams[0], done(SECOND, 11))
    found = latest(run)
    assert (found.request, found.why, found.time_ns) == (SECOND, "silence", ns(10))
    assert [(group.ranks, group.stack[0].function) for group in found.folding.groups] == [
        ((0, 1, 2), "usual"),
        ((3,), "odd"),
    ]
    assert [one.node for one in found.snapshots] == ["n0", "n0", "n1", "n1"]
    assert not found.is_complete
    run.write(streams[1], done(SECOND, 3611))
    assert latest(run).is_complete


def test_a_request_that_is_not_taken_yet_is_told_from_one_that_is(run: RunWriter) -> None:
    run.rank(0)
    folder = RunFolder(str(run.folder))
    assert stacks_of(folder, FIRST) is None
    assert latest_stacks(folder) is None
    run.log(journal.Stacks(FIRST, ("n0",), "asked", ns(1)))
    folder.refresh()
    found = stacks_of(folder, FIRST)
    assert found is not None
    assert (found.asked, found.snapshots, found.is_complete) == (("n0",), (), False)


def test_processes_without_a_stack_children_and_damage_are_kept_out_of_the_groups(run: RunWriter) -> None:
    keys = [run.rank(rank) for rank in range(2)]
    stream = run.stream(".ranklog/stacks/n0.jsonl", "n0", "stacks")
    run.write(stream, b"\0\xff\n{}\n" + line(FIRST, keys[0], "usual", 1) + line(FIRST, keys[1], "", 1, error="gone"))
    run.write(stream, line(FIRST, keys[0], "load", 2, parent=5, pid=6) + b'{"request": "torn')
    found = latest(run)
    assert [group.names for group in found.folding.groups] == [("rank_0",)]
    assert [one.dump.error for one in found.snapshots] == ["", "gone"]
    assert [one.dump.pid for one in found.children] == [6]


def test_ranks_may_be_chosen(run: RunWriter) -> None:
    keys = [run.rank(rank) for rank in range(3)]
    stream = run.stream(".ranklog/stacks/n0.jsonl", "n0", "stacks")
    for key in keys:
        run.write(stream, line(FIRST, key, "f", 1))
    found = of_ranks(latest(run), lambda rank: rank > 0)
    assert [one.member.rank for one in found.snapshots] == [1, 2]
    assert [group.ranks for group in found.folding.groups] == [(1, 2)]


def test_a_process_of_which_the_journal_knows_nothing_is_called_by_its_key(run: RunWriter) -> None:
    stream = run.stream(".ranklog/stacks/n0.jsonl", "n0", "stacks")
    run.write(stream, line(FIRST, "7-1-1", "f", 1))
    assert latest(run).folding.groups[0].names == ("7-1-1",)


# ---- asking ---------------------------------------------------------------------------------------------------------


def test_a_request_appears_whole_and_can_be_taken_back(run: RunWriter) -> None:
    folder, request = RunFolder(str(run.folder)), StackRequest(secrets.token_hex(8), frozenset({3}))
    asking.ask(folder, request)
    (file,) = (run.folder / ".ranklog/requests").iterdir()
    assert parse(request.id, file.read_bytes()) == request
    assert not asking.is_taken(folder, request)
    asking.withdraw(folder, request)
    assert asking.is_taken(folder, request)
    asking.withdraw(folder, request)


def test_who_may_not_write_there_is_told_what_to_do(run: RunWriter) -> None:
    (run.folder / ".ranklog/requests").write_text("no folder")
    with pytest.raises(ReadingError, match=r"cannot be asked, .*requests is not writable .*--url"):
        asking.ask(RunFolder(str(run.folder)), StackRequest("0" * 16))
