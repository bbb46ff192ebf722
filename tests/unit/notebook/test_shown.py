"""What the view shows of what a source answers."""

from __future__ import annotations

import json

import pytest

from ranklog.notebook import shown
from tests.unit.notebook.conftest import line, metric, process


def test_processes_are_columns() -> None:
    found = [
        process(0, last_output="2026-01-01T00:00:01.250000000Z"),
        process(1, "Failed", exit="SIGKILL", attempt=2),
        process(2, "NotStarted", hostname="", node="n7"),
        {**process(3), "role": "launcher"},
        {**process(4), "rank": None, "program": "evil\n.py"},
    ]
    columns = shown.processes(found)
    assert columns["total"] == 4
    assert columns["counts"] == {"Running": 2, "Failed": 1, "NotStarted": 1}
    assert columns["rank"] == [0, 1, 2, None]
    assert columns["called"] == {"1": "1#2", "3": "evil␊.py"}
    assert [columns["states"][each] for each in columns["state"]] == ["Running", "Failed", "NotStarted", "Running"]
    assert [columns["nodes"][each] for each in columns["node"]] == ["n0", "n1", "n7", "n0"]
    assert columns["exit"] == {"1": "SIGKILL"}
    assert columns["last"] == [1767225601250, None, None, None]


def test_a_thousand_processes_are_a_small_message() -> None:
    found = [process(rank, last_output="2026-01-01T00:00:01Z") for rank in range(1000)]
    assert len(json.dumps(shown.processes(found))) < 40_000


def test_of_too_many_processes_those_are_kept_that_are_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "PROCESSES_MAX", 3)
    found = [process(rank, "Lost" if rank == 8 else "Running") for rank in range(10)]
    columns = shown.processes(found)
    assert columns["rank"] == [0, 1, 8]
    assert (columns["total"], columns["counts"]) == (10, {"Running": 9, "Lost": 1})


def test_only_metrics_with_numbers_are_shown() -> None:
    found = [
        metric("loss"),
        metric("nan", last="NaN", min=None, max=None, mean=None),
        metric("text", last="abc", min=None, max=None, mean=None),
        metric("table", kind="table", last={"a": [1]}, min=None, max=None, mean=None),
        metric("<b>\x1b[31m"),
    ]
    rows = shown.metrics(found)
    assert [row["key"] for row in rows] == ["loss", "nan", "<b>\x1b[31m"]
    assert [row["label"] for row in rows] == ["loss", "nan", "<b>␛[31m"]
    assert (rows[0]["last"], rows[1]["last"], rows[1]["min"]) == (0.5, None, None)


def test_numbers_that_json_does_not_have_are_left_out_of_curves() -> None:
    series = [{"rank": 3, "step": [1, 2, 3, 4], "value": [0.5, "NaN", float("inf"), 2]}]
    assert shown.curves("loss", series)["curves"] == [{"name": "3", "x": [1, 2, 3, 4], "y": [0.5, None, None, 2.0]}]


def test_a_line_tells_whose_it_is() -> None:
    assert shown.line(line("hello\n", 3)) == ["3", "hello"]
    assert shown.line(line("hello\n", None)) == ["stdout", "hello"]


def test_an_error_keeps_its_lines_and_has_an_end() -> None:
    head = shown.head("r1", "Failed", {"error": "one\ntwo\x1b[0m\n" + "x" * 9999}, None, None, 0)
    assert head["error"].startswith("one\ntwo␛[0m\nxxx")
    assert len(head["error"]) <= shown.ERROR_CHARACTERS_MAX


@pytest.mark.parametrize("url", ["file:///tmp/r1", "javascript:alert(1)", None])
def test_only_web_addresses_are_linked(url: str | None) -> None:
    assert shown.head("r1", "Running", {}, None, url, 0)["url"] == ""


@pytest.mark.parametrize("moment", [None, "", "soon", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(moment: str | None) -> None:
    assert shown.milliseconds(moment) is None
