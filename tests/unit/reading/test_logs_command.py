"""What `ranklog logs` shows of many ranks: folded, around a moment, by level, with context, and where two part ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ranklog_collector.cli.logs import logs
from tests.support.run_writer import RunWriter

Show = Callable[..., Result]
RAISED = b'Traceback (most recent call last):\n  File "a.py", line 3, in f\nValueError: bad\n'


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Four ranks, of which the last raises an exception at second 5."""
    monkeypatch.setenv("RANKLOG_ROOT", str(tmp_path / "runs"))
    monkeypatch.setenv("TZ", "UTC")
    run = RunWriter(tmp_path / "runs/default/r1", world_size=4)
    run.node("n0")
    for rank in range(4):
        run.rank(rank)
        stream = run.output(rank)
        run.write(stream, b"step 1 loss 0.%d\n" % (rank + 1), at=1 + rank / 1000)
        run.write(stream, b"WARNING slow\n" if rank == 1 else b"fine\n", at=2 + rank / 1000)
        run.write(stream, b"step 2 loss 0.%d\n" % (rank + 5), at=3 + rank / 1000)
        if rank == 3:
            for line in RAISED.splitlines(keepends=True):
                run.write(stream, line, at=5)
        run.write(stream, b"bye\n", at=5.5)
        run.close(stream)
    for rank in range(3):
        run.exit(rank, at=6)
    run.exit(3, at=5.6, code=1)
    run.end("failed", at=7)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(logs, ["r1", *arguments], catch_exceptions=False)

    return call


def test_alike_lines_are_one_row_if_asked_for(show: Show) -> None:
    assert show("--fold", "similar", "--until", "+3.5s").stdout.splitlines() == [
        "[0-3] step 1 loss {0.1…0.4}",
        "[0,2-3] fine",
        "[1] WARNING slow",
        "[0-3] step 2 loss {0.5…0.8}",
    ]


def test_unfolded_lines_keep_a_traceback_together(show: Show) -> None:
    shown = show("--no-fold", "--since", "+4s").stdout.splitlines()
    assert shown[:3] == [f"[3] {line}" for line in RAISED.decode().splitlines()]
    assert sorted(shown[3:]) == [f"[{rank}] bye" for rank in range(4)]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("warning", ["[1] WARNING slow", *(f"[3] {line}" for line in RAISED.decode().splitlines())]),
        ("error", [f"[3] {line}" for line in RAISED.decode().splitlines()]),
    ],
)
def test_a_level_shows_what_is_so_grave_and_tracebacks_as_a_whole(show: Show, level: str, expected: list[str]) -> None:
    assert show("--level", level).stdout.splitlines() == expected


def test_nothing_so_grave_ends_with_1(show: Show) -> None:
    assert show("--level", "critical").exit_code == 1


def test_each_line_as_json_has_its_level(show: Show) -> None:
    rows = [json.loads(line) for line in show("--json", "--rank", "3").stdout.splitlines()]
    assert [row["level"] for row in rows] == [None, None, None, "error", "error", "error", None]


def test_a_match_in_a_traceback_shows_it_as_a_whole_if_asked_for(show: Show) -> None:
    assert show("--grep", "line 3, in").stdout == '[3]   File "a.py", line 3, in f\n'
    assert show("--grep", "line 3, in", "--whole").stdout.splitlines() == [
        f"[3] {line}" for line in RAISED.decode().splitlines()
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-C", "1"], ["[1] step 1 loss 0.2", "[1] WARNING slow", "[1] step 2 loss 0.6"]),
        (["-A", "1"], ["[1] WARNING slow", "[1] step 2 loss 0.6"]),
        (["-B", "9"], ["[1] step 1 loss 0.2", "[1] WARNING slow"]),
    ],
)
def test_a_match_is_shown_with_lines_of_its_rank_around_it(
    show: Show, arguments: list[str], expected: list[str]
) -> None:
    assert show("--grep", "slow", *arguments).stdout.splitlines() == expected


def test_matches_with_context_are_kept_apart_and_those_that_overlap_are_one(show: Show) -> None:
    assert show("--grep", "step", "-A", "1", "--rank", "0-1").stdout.splitlines() == [
        "[0] step 1 loss 0.1",
        "[0] fine",
        "[0] step 2 loss 0.5",
        "[0] bye",
        "--",
        "[1] step 1 loss 0.2",
        "[1] WARNING slow",
        "[1] step 2 loss 0.6",
        "[1] bye",
    ]
    assert show("--grep", "fine", "-A", "1").stdout.count("--\n") == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["failure", "-C", "100ms"], ["-- 2026-09-21 14:13:25.", *RAISED.decode().splitlines()]),
        (
            ["+3s", "-C", "1"],
            ["[0,2-3] fine", "[1] WARNING slow", "-- 2026-09-21 14:13:23.000 +3s", "[0] step 2 loss 0.5"],
        ),
        (["rank 3", "-C", "200ms"], ["[0-3] bye", "-- 2026-09-21 14:13:25.600 the end of rank 3"]),
        (["start", "-C", "1.5s"], ["-- 2026-09-21 14:13:20.000 the start", "[0] step 1 loss 0.1"]),
        (["end", "-C", "1.6s"], ["[0-3] bye", "-- 2026-09-21 14:13:27.000 the end"]),
    ],
)
def test_what_came_around_an_event_is_shown_with_its_moment(
    show: Show, arguments: list[str], expected: list[str]
) -> None:
    shown = show("--around", *arguments).stdout.splitlines()
    for line, beginning in zip(shown, expected, strict=False):
        assert beginning in line
    assert len(shown) >= len(expected)


@pytest.mark.parametrize("event", ["lost", "never", "rank 9"])
def test_an_event_that_is_not_known_is_told(show: Show, event: str) -> None:
    result = show("--around", event)
    assert result.exit_code == 1
    assert result.stderr.startswith("ranklog: ")


def test_two_ranks_are_compared(show: Show) -> None:
    result = show("--diff", "0", "1")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "[0,1] step 1 loss {0.1…0.2}",
        "[0]   fine",
        "[1]   WARNING slow",
        "ranks 0 and 1 are the same up to line 1; 3 lines are the same",
    ]
    same = show("--diff", "0", "2")
    assert (same.stdout, same.exit_code) == ("ranks 0 and 2 say the same but for numbers: 4 lines\n", 0)


def test_one_rank_is_compared_with_the_rest(show: Show) -> None:
    shown = show("--diff", "3", "majority").stdout.splitlines()
    assert shown[0] == "rank 0 stands for 2 of 3 others, which begin alike"
    assert "[3]   ValueError: bad" in shown
    row = json.loads(show("--json", "--diff", "3", "majority").stdout)
    assert (row["ranks"], row["lines"], len(row["left"]), row["right"]) == ([3, 0], [4, 4], 3, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["-C", "3"],
        ["--grep", "x", "-C", "y"],
        ["--around", "start", "-C", "y"],
        ["--around", "start", "-f"],
        ["--around", "start", "--since", "1s"],
        ["--diff", "0", "x"],
        ["--grep", "x", "-C", "1", "--raw"],
    ],
)
def test_what_does_not_go_together_is_said(show: Show, arguments: list[str]) -> None:
    assert show(*arguments).exit_code == 2


def test_a_rank_that_has_no_output_cannot_be_compared(show: Show) -> None:
    assert show("--diff", "0", "9").exit_code == 1
