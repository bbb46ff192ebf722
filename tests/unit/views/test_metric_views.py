"""Metrics as JSON has them: also what it has no numbers for."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from ranklog_collector.reading.folder import NotThereError
from ranklog_collector.views.metrics import aggregate_view, metric_views, plain, record_page, series_views
from tests.unit.series.conftest import Job


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job(tmp_path / "r1")
    job.writer.node("n0")
    for rank in range(2):
        key = job.rank(rank)
        for step in range(3):
            job.log(key, at=step, k="loss", v=float(rank + step), s=step)
        job.log(key, at=5, k="loss", v={"f": "nan"}, s=3)
        job.log(key, at=6, k="table", table={"x": [1, {"f": "inf"}], "y": ["a", None]})
        job.log(key, at=7, k="loss", v=1, s=0, r="r1.0badcafe")
        job.log(key, at=8, name="resources", k="cpu_percent", v=50.0)
    return job


def test_all_answers_are_json_as_strict_parsers_want_it(job: Job) -> None:
    folder = job.open()
    answers = [
        metric_views(folder, resources=True),
        record_page(folder),
        series_views(folder, "loss"),
        aggregate_view(folder, "loss"),
        aggregate_view(folder, "loss", by="time"),
    ]
    for answer in answers:
        assert orjson.loads(orjson.dumps(answer)) == answer


def test_metrics_of_agents_are_told_apart(job: Job) -> None:
    assert [(one["key"], one["is_resource"]) for one in metric_views(job.open(), resources=True)] == [
        ("loss", False),
        ("table", False),
        ("cpu_percent", True),
    ]
    loss, table = metric_views(job.open())
    assert (loss["count"], loss["processes"], loss["ranks"], loss["last"]) == (8, 2, [0, 1], "NaN")
    assert (loss["min"], loss["max"], loss["mean"]) == (0.0, 3.0, 1.5)
    assert table["last"] == {"x": [1, "Infinity"], "y": ["a", None]}


def test_points_come_page_by_page_until_there_are_none(job: Job) -> None:
    found, cursor = [], None
    while True:
        page = record_page(job.open(), "loss", limit=3, cursor=cursor)
        found += page["records"]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert [(one["rank"], one["step"], one["value"]) for one in found] == [
        (rank, step, "NaN" if step == 3 else float(rank + step)) for step in range(4) for rank in range(2)
    ]
    assert record_page(job.open(), "nothing yet") == {"records": [], "cursor": None}


def test_series_and_aggregates_are_columns(job: Job) -> None:
    first, second = series_views(job.open(), "loss")
    assert (first["rank"], first["step"], first["value"]) == (0, [0, 1, 2, 3], [0.0, 1.0, 2.0, "NaN"])
    assert second["total"] == 4
    rows = aggregate_view(job.open(), "loss")
    assert (rows["step"], rows["count"], rows["max_rank"]) == ([0, 1, 2, 3], [2, 2, 2, 2], [1, 1, 1, None])
    assert rows["mean"] == [0.5, 1.5, 2.5, "NaN"]
    with pytest.raises(NotThereError, match="there is loss"):
        aggregate_view(job.open(), "los")


def test_a_child_run_has_its_own(job: Job) -> None:
    (loss,) = metric_views(job.open(), "r1.0badcafe")
    assert loss["count"] == 2
    assert {one["run_id"] for one in record_page(job.open(), child="r1.0badcafe")["records"]} == {"r1.0badcafe"}


def test_numbers_that_json_lacks_are_text() -> None:
    value = {"a": [float("nan"), float("inf"), {"b": float("-inf")}], "c": 1, "d": None, "e": True, "f": 1.5}
    assert plain(value) == {"a": ["NaN", "Infinity", {"b": "-Infinity"}], "c": 1, "d": None, "e": True, "f": 1.5}
