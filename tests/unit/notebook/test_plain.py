"""The view as text."""

from __future__ import annotations

import pytest

from ranklog.notebook import plain
from ranklog.notebook.watch import Choice, Watch
from ranklog.run import Run
from tests.unit.notebook.conftest import Told, line, metric, process


def text(run: Run) -> str:
    return plain.text(Watch(run, clock=lambda: 1767225600 + 130).look(Choice()))


def test_a_run_is_told_in_sections(run: Run, told: Told) -> None:
    told.facts["display_name"] = "first try"
    told.found = [process(0, last_output="2026-01-01T00:02:07Z"), process(1, "Failed", exit="9")]
    told.known = [metric("loss"), metric("odd", last="NaN", min=None, max=None, mean=None)]
    told.said = [line("hello\n", 1), line("\x1b[31mred\x1b[0m\x07\n", 0)]
    assert text(run).splitlines() == [
        'Run r1 "first try" of demo: Running for 2m 10s',
        "http://head:8080/#/runs/r1",
        "",
        "Processes: 1 Running, 1 Failed",
        "RANK  NODE  STATE    EXIT  LAST LINE",
        "0     n0    Running        3s",
        "1     n1    Failed   9",
        "",
        "METRIC  LAST  MIN  MAX",
        "loss    0.5   0.1  2",
        "odd     NaN   NaN  NaN",
        "",
        "[1] hello",
        "[0] red␇",
    ]


def test_a_run_that_nothing_is_known_of_is_told_too(run: Run, told: Told) -> None:
    told.facts = {}
    told.found = told.known = ValueError("bad")
    assert text(run).splitlines()[0] == "Run r1: None"
    assert text(run).splitlines()[-1] == "ValueError: bad"


def test_of_many_processes_those_are_named_that_are_not_well(run: Run, told: Told) -> None:
    told.found = [process(rank, "Lost" if rank == 900 else "Running") for rank in range(1000)]
    rows = text(run).splitlines()
    assert rows[3] == "Processes: 999 Running, 1 Lost"
    assert [row.split()[0] for row in rows[5:]] == [*map(str, range(19)), "900", "and"]
    assert rows[-1] == "and 980 more"


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (-5, "0s"),
        (59_999, "59s"),
        (60_000, "1m 0s"),
        (3_599_000, "59m 59s"),
        (7_260_000, "2h 1m"),
        (90_000_000, "1d 1h"),
    ],
)
def test_durations_have_two_units(milliseconds: int, said: str) -> None:
    assert plain.duration(milliseconds) == said
