"""What MLflow's client may log, and what becomes of it in the spool."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog.mlflow_api.errors import MlflowError
from ranklog.mlflow_api.ids import RUN_ID, experiment_folder, experiment_id, mlflow_run_id
from ranklog.mlflow_api.logbook import Logbook
from ranklog.mlflow_api.metrics import Metric
from ranklog.mlflow_api.runs import run_json
from ranklog.mlflow_api.spooled import SpooledRuns
from ranklog.run.place import Place


@pytest.fixture
def logbook(tmp_path: Path) -> Logbook:
    place = Place("r1", str(tmp_path), "0-1-1", is_owned=True, rank=0)
    return Logbook(place, SpooledRuns(str(tmp_path), "r1"))


def lines(logbook: Logbook) -> list[dict[str, Any]]:
    return [json.loads(text) for text in Path(logbook.place.points.path).read_bytes().splitlines()]


def log_metric(logbook: Logbook, value: float, step: int = 0, timestamp: int = 1000) -> None:
    logbook.log_metric("r1", ("m", value, timestamp, step))


# ---- ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run_id", ["r1", "train-20261124T131557Z-efc8", "0123456789abcdef0123456789abcdef"])
def test_a_run_keeps_its_id_if_mlflow_takes_it(run_id: str) -> None:
    assert mlflow_run_id(run_id) == run_id


@given(st.text(min_size=1, max_size=300))
def test_every_run_has_an_id_that_mlflow_takes(run_id: str) -> None:
    assert RUN_ID.fullmatch(mlflow_run_id(run_id))


def test_child_runs_have_ids_of_32_hexadecimal_digits() -> None:
    assert len(mlflow_run_id("r1.00000000")) == 32
    assert mlflow_run_id("r1.00000000") != mlflow_run_id("r1.00000001")


def test_the_default_experiment_is_number_0_by_both_names() -> None:
    assert {experiment_id(name) for name in ("default", "Default")} == {"0"}


@given(st.text(min_size=1, max_size=200))
def test_an_experiments_id_is_that_of_its_folder(name: str) -> None:
    assert experiment_id(name) == experiment_id(experiment_folder(name))
    assert experiment_id(name).isdigit()


# ---- what is written -------------------------------------------------------------------------------------------------


def test_a_metric_is_a_line_with_mlflows_time_and_step(logbook: Logbook) -> None:
    log_metric(logbook, 0.5, step=3, timestamp=1234)
    assert lines(logbook) == [{"t": 1234_000_000, "k": "m", "v": 0.5, "s": 3}]


def test_a_batch_of_one_moment_is_one_line(logbook: Logbook) -> None:
    logbook.log("r1", [Metric("a", 1.0, 5, 2), Metric("b", math.nan, 5, 2)], {}, {})
    assert lines(logbook) == [{"t": 5_000_000, "m": {"a": 1.0, "b": {"f": "nan"}}, "s": 2}]


def test_a_batch_of_many_moments_is_a_line_a_metric(logbook: Logbook) -> None:
    logbook.log("r1", [Metric("a", 1.0, 5, 0), Metric("a", 2.0, 6, 1)], {}, {})
    assert lines(logbook) == [{"t": 5_000_000, "k": "a", "vs": [1.0, 2.0], "ts": [5_000_000, 6_000_000], "ss": [0, 1]}]


def test_a_request_that_is_repeated_after_a_kill_is_written_once(logbook: Logbook, tmp_path: Path) -> None:
    batch = [Metric("a", 1.0, 5, 0), Metric("a", 2.0, 6, 1)]
    log_metric(logbook, 0.5)
    logbook.log("r1", batch, {}, {})
    again = Logbook(logbook.place, SpooledRuns(str(tmp_path), "r1"))
    log_metric(again, 0.5)
    again.log("r1", batch, {}, {})
    assert len(lines(logbook)) == 2
    log_metric(again, 0.5, step=1)
    log_metric(again, 0.5, step=1)
    assert len(lines(logbook)) == 4, "who lives counts what is said"


def test_a_parameter_keeps_its_value(logbook: Logbook) -> None:
    logbook.log("r1", (), {"lr": "0.1"}, {})
    logbook.log("r1", (), {"lr": "0.1"}, {})
    with pytest.raises(MlflowError, match=r"already logged with value='0\.1'"):
        logbook.log("r1", [Metric("a", 1.0, 5, 0)], {"lr": "0.2"}, {"t": "x"})
    assert len(lines(logbook)) == 1, "all or nothing"


def test_another_rank_of_the_node_cannot_change_a_parameter(logbook: Logbook, tmp_path: Path) -> None:
    logbook.log("r1", (), {"lr": "0.1"}, {})
    other = Logbook(Place("r1", str(tmp_path), "1-2-2", is_owned=True), SpooledRuns(str(tmp_path), "r1"))
    with pytest.raises(MlflowError, match="already logged"):
        other.log("r1", (), {"lr": "0.2"}, {})


# ---- runs ------------------------------------------------------------------------------------------------------------


def test_the_first_run_that_is_begun_is_the_jobs_and_all_others_are_its_children(logbook: Logbook) -> None:
    first = logbook.create({"k": "v"}, "mine")
    assert (first.run_id, first.name, first.tags) == ("r1", "mine", {"k": "v"})
    second = logbook.create({}, None)
    assert (second.parent, second.status) == ("r1", "RUNNING")
    nested = logbook.create({"mlflow.parentRunId": mlflow_run_id(second.run_id)}, None)
    assert nested.parent == second.run_id
    assert logbook.find(mlflow_run_id(nested.run_id)) is nested


def test_a_jobs_state_is_its_launchers_and_a_child_runs_its_own(logbook: Logbook) -> None:
    child = logbook.create({"mlflow.parentRunId": "r1"}, None)
    assert logbook.update("r1", "FAILED", None).status == "RUNNING"
    assert logbook.update(child.run_id, "FAILED", None).status == "FAILED"
    assert child.ended_ns is not None


def test_the_latest_value_is_that_of_the_highest_step_time_and_value(logbook: Logbook) -> None:
    for value, step, timestamp in ((1.0, 5, 10), (9.0, 4, 99), (2.0, 5, 11), (1.5, 5, 11), (math.nan, 5, 11)):
        log_metric(logbook, value, step, timestamp)
    assert logbook.known("r1").metrics["m"] == Metric("m", 2.0, 11, 5)


def test_history_is_in_the_order_of_time_with_repetitions_once(logbook: Logbook) -> None:
    for value, step, timestamp in ((3.0, 1, 30), (1.0, 7, 10), (2.0, 0, 10), (3.0, 1, 30)):
        log_metric(logbook, value, step, timestamp)
    assert [one.value for one in logbook.runs.history("r1", "m")] == [2.0, 1.0, 3.0]


def test_tags_are_taken_away_once(logbook: Logbook) -> None:
    logbook.log("r1", (), {}, {"a": "1", "b": "2"})
    logbook.delete_tag("r1", "a")
    assert logbook.known("r1").tags == {"b": "2"}
    with pytest.raises(MlflowError, match="No tag with name: a"):
        logbook.delete_tag("r1", "a")


def test_datasets_are_told(logbook: Logbook) -> None:
    logbook.log_inputs("r1", [{"name": "d", "digest": "1", "source": "s", "tags": {"context": "train"}}])
    (found,) = run_json(logbook.known("r1"), "0", "")["inputs"]["dataset_inputs"]
    assert found["dataset"] == {"name": "d", "digest": "1", "source": "s"}
    assert found["tags"] == [{"key": "context", "value": "train"}]


def test_numbers_that_json_lacks_are_texts(logbook: Logbook) -> None:
    for step, value in enumerate((math.nan, math.inf, -math.inf)):
        logbook.log_metric("r1", (f"m{step}", value, 1, 0))
    found = run_json(logbook.known("r1"), "0", "")["data"]["metrics"]
    assert [one["value"] for one in found] == ["NaN", "Infinity", "-Infinity"]


def test_what_other_apis_log_is_seen(logbook: Logbook) -> None:
    path = Path(logbook.place.points.path)
    path.parent.mkdir()
    path.write_text(
        '{"t":1000000,"k":"x","v":1}\n{"t":2000000,"k":"x","v":true}\n{"t":3000000,"k":"x","v":"text"}\n'
        '{"t":4000000,"k":"x","list":[1]}\nnonsense\n{"t":5000000,"tag":[],"param":7,"set":null,"inputs":{},"m":3}\n'
        '{"t":6000000,"k":"x","v":5'
    )
    assert logbook.known("r1").metrics["x"] == Metric("x", 1.0, 2, 1)
    with path.open("a") as file:
        file.write("}\n")
    assert logbook.known("r1").metrics["x"] == Metric("x", 5.0, 6, 3)


@given(st.binary(max_size=200))
def test_whatever_is_in_a_file_harms_nobody(raw: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics" / "0-1-1.jsonl"
        path.parent.mkdir()
        path.write_bytes(b'{"t":1,"m":' + raw + b"}\n" + raw)
        runs = SpooledRuns(folder, "r1")
        runs.refresh()
        runs.history("r1", "m")
