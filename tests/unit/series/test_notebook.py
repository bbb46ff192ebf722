"""A run in a notebook."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import ranklog
from ranklog_collector.reading.folder import ReadingError
from ranklog_collector.series.frame import Frame, MissingPackageError
from ranklog_collector.series.notebook import open_run
from tests.support.run_writer import ns
from tests.unit.series.conftest import Job


@pytest.fixture
def logged(job: Job) -> Job:
    for rank in (0, 1):
        process = job.rank(rank)
        for step in range(5):
            job.log(process, at=step, k="loss", v=step / 2 + rank, s=step)
    job.log(process, at=9, k="name", v="adam")
    job.log(process, at=9, k="loss", v=8, r="r1.0000000a")
    return job


def opened(job: Job, run: str = "latest") -> Any:
    return open_run(run, str(job.writer.folder.parent.parent))


@pytest.fixture
def run(logged: Job) -> Any:
    return open_run(str(logged.writer.folder))


def test_the_sdk_has_it_by_name() -> None:
    assert ranklog.open_run is open_run  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_every_answer_becomes_a_frame_of_any_kind(run: Any, kind: str) -> None:
    for frame in (
        run.metrics(),
        run.series("loss"),
        run.aggregate("loss"),
        run.aggregate("loss", by="time"),
        run.points(),
    ):
        made = getattr(frame, kind)()
        rows = made.num_rows if kind == "arrow" else len(made)
        names = made.column_names if kind == "arrow" else list(made.columns)
        assert rows == len(frame) > 0
        assert names == list(frame.columns)


def test_a_series_has_all_points_of_all_ranks(run: Any) -> None:
    frame = run.series("loss").pandas()
    assert frame["rank"].tolist() == [0] * 5 + [1] * 5
    assert frame[frame["rank"] == 1]["value"].tolist() == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert frame["time"].astype("int64")[0] == ns(0)
    assert len(run.series("loss", rank=1, points=4)) <= 5


def test_an_aggregate_has_a_row_a_step(run: Any) -> None:
    frame = run.aggregate("loss").polars()
    assert frame["mean"].to_list() == [0.5, 1.0, 1.5, 2.0, 2.5]
    assert frame["max_rank"].to_list() == [1] * 5


def test_points_keep_what_is_no_number(run: Any) -> None:
    (row,) = run.points("name").rows()
    assert (row["text"], row["type"], row["rank"]) == ("adam", "text", 1)
    assert np.isnan(row["value"])


def test_ranks_that_are_not_known_leave_the_others_integers() -> None:
    assert Frame({"rank": [0, None]}).pandas()["rank"].dtype == "Int64"


def test_news_are_seen_without_opening_anew(run: Any, logged: Job) -> None:
    assert len(run.series("loss")) == 10
    logged.log(logged.rank(2), k="loss", v=0.0, s=0)
    assert len(run.series("loss")) == 11


def test_a_child_run_is_opened_by_its_id(tmp_path: Any) -> None:
    job = Job(tmp_path / "exp/r1")
    job.log(job.rank(0), k="loss", v=8, r="r1.0000000a")
    job.log(job.rank(1), status="completed", r="r1.0000000a")
    child = opened(job, "r1.0000000a")
    assert (child.id, child.state) == ("r1.0000000a", "completed")
    assert child.series("loss")["value"].tolist() == [8.0]
    assert len(opened(job).metrics()) == 0


def test_files_and_lines_of_output(run: Any, logged: Job) -> None:
    logged.writer.write(logged.writer.output(0), b"hello\n")
    assert [file.path for file in run.files] == ["azureml-logs/70_driver_log_0.txt"]
    assert run.content("azureml-logs/70_driver_log_0.txt") == b"hello\n"
    assert list(run.logs) == ["hello"]


def test_what_is_not_installed_is_named(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingPackageError, match="pip install polars"):
        run.metrics().polars()


def test_an_unknown_run_or_metric_is_told(run: Any) -> None:
    with pytest.raises(ReadingError, match="loss"):
        run.series("los")
    with pytest.raises(ReadingError):
        open_run("nothing", "/nowhere")
