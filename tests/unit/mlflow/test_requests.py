"""What requests may say: orders, pages, names, values, metrics."""

import math

import numpy as np
import pytest

from ranklog.mlflow_api import fields, limits, paging
from ranklog.mlflow_api.errors import MlflowError
from ranklog.mlflow_api.metrics import metric, metrics
from ranklog.mlflow_api.statuses import STATES, status_of
from ranklog_collector.mlflow import names, ordering
from ranklog_collector.mlflow.ordering import Order


def test_runs_are_ordered_by_their_start_unless_asked_otherwise():
    assert ordering.of_runs([]) == [Order("attribute", "start_time", False), Order("attribute", "run_id", True)]
    assert ordering.of_runs(["metrics.`a b` DESC", "start_time"]) == [
        Order("metric", "a b", False),
        Order("attribute", "start_time", True),
        Order("attribute", "run_id", True),
    ]


@pytest.mark.parametrize(
    "clauses", [["dataset.name"], ["nonsense"], ["metrics.a", "metrics.a desc"], [""], ["a.b.c asc x"]]
)
def test_runs_are_not_ordered_by_nonsense(clauses):
    with pytest.raises(MlflowError):
        ordering.of_runs(clauses)


def test_experiments_are_ordered_by_their_creation_unless_asked_otherwise():
    assert [one.key for one in ordering.of_experiments([])] == ["creation_time", "experiment_id"]
    assert ordering.of_experiments(["name", "name desc"])[0] == Order("attribute", "name", True)
    with pytest.raises(MlflowError):
        ordering.of_experiments(["tags.a"])


def test_a_page_token_holds_an_offset():
    assert paging.offset("") == 0
    assert paging.offset(paging.token(1234)) == 1234


@pytest.mark.parametrize("token", ["x", "%", "bm9uc2Vuc2U=", "eyJvZmZzZXQiOiAtMX0=", "e30=", "W10=", "ä"])
def test_other_page_tokens_are_refused(token):
    with pytest.raises(MlflowError) as caught:
        paging.offset(token)
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["a", "a/b", "a b.c-d:e_f", "ä", "x" * 250])
def test_names_that_can_be(name):
    assert limits.check_name(name, "name") == name


@pytest.mark.parametrize("name", ["a//b", "/a", "../a", ".", "a/..", "a/", "a\n", "a,b", "a\0", "x" * 251, "a'"])
def test_names_that_cannot_be(name):
    with pytest.raises(MlflowError):
        limits.check_name(name, "name")


def test_long_values_are_cut():
    assert len(limits.param("a", "x" * 7000)) == 6000
    assert len(limits.tag("a", "x" * 9000)) == 8000
    with pytest.raises(MlflowError, match="exceeds the maximum length"):
        limits.experiment_tag("a", "x" * 20_001)


@pytest.mark.parametrize("counts", [(1001, 0, 0), (0, 101, 0), (0, 0, 101), (950, 50, 1)])
def test_a_batch_has_limits(counts):
    with pytest.raises(MlflowError, match="can contain at most"):
        limits.check_batch(*counts)


def test_a_batch_has_each_parameter_once():
    limits.check_unique(["a", "b"])
    with pytest.raises(MlflowError, match="Duplicate"):
        limits.check_unique(["a", "b", "a"])


@pytest.mark.parametrize("status", ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"])
def test_mlflows_words_for_how_a_run_is_come_back(status):
    assert status_of(STATES[status]) == status


def test_a_metric_is_read_as_clients_write_it():
    assert metric({"key": "a", "value": 1, "timestamp": 5, "step": "7"}) == ("a", 1.0, 5, 7)
    assert metric({"key": "a", "value": "0.5", "timestamp": "5"}) == ("a", 0.5, 5, 0)
    assert math.isnan(metric({"key": "a", "value": "NaN", "timestamp": 5})[1])
    assert metric({"key": "a", "value": "-Infinity", "timestamp": 5})[1] == -math.inf
    assert metric({"key": "a", "value": True, "timestamp": 5})[1] == 1.0
    assert metric({"key": "a", "value": np.float32(0.5), "timestamp": 5})[1] == 0.5


def test_the_time_of_a_metric_ends_with_64_bits_of_nanoseconds():
    assert metric({"key": "a", "value": 1, "timestamp": 10**18})[2] == limits.TIMESTAMP_MAX


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"key": None}, "Missing value for required parameter 'key'"),
        ({"key": 31}, "Invalid value 31 for parameter 'key' supplied"),
        ({"key": "../a"}, "for parameter 'name' supplied"),
        ({"value": None}, "Missing value for required parameter 'value'"),
        ({"value": "x"}, "Invalid value \"x\" for parameter 'value'"),
        ({"value": []}, "Invalid value"),
        ({"value": 10**400}, "Invalid value"),
        ({"timestamp": None}, "Missing value for required parameter 'timestamp'"),
        ({"timestamp": "foo"}, "Invalid value \"foo\" for parameter 'timestamp' supplied"),
        ({"timestamp": -1}, "nonnegative"),
        ({"step": "foo"}, "Invalid value \"foo\" for parameter 'step' supplied"),
        ({"step": 1 << 70}, "Invalid value"),
        ({"step": 0.5}, "Invalid value"),
    ],
)
def test_what_is_no_metric_is_refused(wrong, message):
    with pytest.raises(MlflowError, match=message):
        metric({"key": "a", "value": 1, "timestamp": 5, "step": 7, **wrong})


def test_it_is_said_which_metric_of_a_batch_is_wrong():
    with pytest.raises(MlflowError, match=r"'metrics\[1\]\.timestamp'"):
        metrics([{"key": "a", "value": 1, "timestamp": 5}, {"key": "b", "value": 1}])
    with pytest.raises(MlflowError, match=r"metrics\[0\]"):
        metrics(["x"])


def test_members_are_of_their_types():
    assert fields.text({"a": "x"}, "a") == "x"
    assert fields.integer({"a": "7"}, "a") == 7
    assert fields.run_id({"run_uuid": "x"}) == "x"
    with pytest.raises(MlflowError, match="Missing value for required parameter 'a'"):
        fields.text({"a": None}, "a")
    with pytest.raises(MlflowError, match="Invalid value 31 for parameter 'run_id'"):
        fields.run_id({"run_id": 31, "run_uuid": "x"})
    with pytest.raises(MlflowError, match="must be a list"):
        fields.texts({"a": "foo"}, "a")
    with pytest.raises(MlflowError, match=r"a\[0\]"):
        fields.texts({"a": [1]}, "a")


def test_experiments_get_folders_of_their_own():
    assert names.folder("Default") == "default"
    assert names.folder("my-exp") == "my-exp"
    folders = {names.folder(name) for name in ("a b", "a/b", "a-b", "default", "ä", "..", "x" * 500, "\ud800")}
    assert len(folders) == 8
    assert all("/" not in one and not one.startswith(".") and len(one.encode()) < 200 for one in folders)


def test_a_run_without_a_name_gets_one_that_stays():
    assert names.run_name("abc") == names.run_name("abc") != names.run_name("abd")
