"""MLflow's filter language, read as MLflow reads it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog.mlflow_api.errors import MlflowError
from ranklog_collector.mlflow.filters import EXPERIMENTS, RUNS, Comparison, parse


def of_runs(text):
    return [(one.entity, one.key, one.operator, one.value) for one in parse(text, RUNS)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("metrics.acc > 0.5", ("metric", "acc", ">", 0.5)),
        ("metric.acc >= 1e-3", ("metric", "acc", ">=", 0.001)),
        ("metrics.acc=-1", ("metric", "acc", "=", -1.0)),
        ("metrics.`a b/c.d` < 2", ("metric", "a b/c.d", "<", 2.0)),
        ('metrics."a b" != .5', ("metric", "a b", "!=", 0.5)),
        ("params.lr = '0.1'", ("parameter", "lr", "=", "0.1")),
        ('parameters.lr != "x"', ("parameter", "lr", "!=", "x")),
        ("param.a.b LIKE '%x%'", ("parameter", "a.b", "LIKE", "%x%")),
        ("tags.`mlflow.source.name` ilike 'Train%'", ("tag", "mlflow.source.name", "ILIKE", "Train%")),
        ("tag.mlflow.parentRunId = 'abc'", ("tag", "mlflow.parentRunId", "=", "abc")),
        ("tags.a IS NULL", ("tag", "a", "IS NULL", None)),
        ("params.a is  not null", ("parameter", "a", "IS NOT NULL", None)),
        ("status = 'FINISHED'", ("attribute", "status", "=", "FINISHED")),
        ("attributes.`run name` = 'x'", ("attribute", "run_name", "=", "x")),
        ("`Run Name` = 'x'", ("attribute", "run_name", "=", "x")),
        ("run.run_id IN ('a', 'b')", ("attribute", "run_id", "IN", ("a", "b"))),
        ("attribute.run_id NOT IN ('a')", ("attribute", "run_id", "NOT IN", ("a",))),
        ("created >= 1700000000000", ("attribute", "start_time", ">=", 1.7e12)),
        ("dataset.name = 'd'", ("dataset", "name", "=", "d")),
        ("datasets.digest IN ('a','b')", ("dataset", "digest", "IN", ("a", "b"))),
        ("params.a = 'it''s'", ("parameter", "a", "=", "it's")),
        ("params.a = 'x AND y'", ("parameter", "a", "=", "x AND y")),
        ("params.ä = 'ü'", ("parameter", "ä", "=", "ü")),
    ],
)
def test_a_clause_means_what_it_means_to_mlflow(text, found):
    assert of_runs(text) == [found]


def test_clauses_are_joined_by_and():
    found = of_runs("metrics.a > 1 and params.b = 'x' AND tags.c IS NULL")
    assert [key for _, key, *_ in found] == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_asks_for_everything(text):
    assert of_runs(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.acc > 0.5 OR metrics.acc < 1", "Invalid clause"),
        ("(metrics.acc > 0.5)", "Invalid clause"),
        ("NOT metrics.acc > 0.5", "Invalid"),
        ("metrics.acc > 0.5 AND", "Invalid clause"),
        ("metrics.acc", "Invalid clause"),
        ("metrics.acc >", "Invalid clause"),
        ("= 1", "Invalid clause"),
        ("metrics.acc > 'x'", "Expected numeric value"),
        ("metrics.acc > NaN", "Expected numeric value"),
        ("metrics.acc LIKE '1'", "Invalid comparator"),
        ("params.a = 1", "Expected a quoted string value"),
        ("params.a = x", "Expected a quoted string value"),
        ("params.a > '1'", "Invalid comparator"),
        ("tags.a IN ('x')", "Only .* support comparison with a list"),
        ("run_id IN ()", "non-empty list"),
        ("run_id IN ('a' 'b')", "non-empty list"),
        ("run_id IN ('a'", "Invalid|non-empty list"),
        ("metrics.a IS NULL", "IS NULL / IS NOT NULL is only supported"),
        ("status IS NULL", "IS NULL / IS NOT NULL is only supported"),
        ("nonsense.a = 'x'", "Invalid entity type"),
        ("nonsense = 'x'", "Invalid attribute key"),
        ("dataset.source = 'x'", "Invalid dataset key"),
        ("start_time = 'x'", "Expected numeric value"),
        ("params.a = 'unterminated", "Invalid clause"),
        ("params. = 'x'", "Invalid"),
        ("params.a = 'x';", "Invalid clause"),
    ],
)
def test_what_is_no_filter_is_refused(text, message):
    with pytest.raises(MlflowError, match=message) as caught:
        parse(text, RUNS)
    assert caught.value.code == "INVALID_PARAMETER_VALUE"


def test_experiments_have_their_own_attributes():
    text = "name LIKE 'a%' AND attribute.`creation_time` > 5 AND tags.x = 'y' AND experiment_id IN ('1')"
    assert parse(text, EXPERIMENTS) == [
        Comparison("attribute", "name", "LIKE", "a%"),
        Comparison("attribute", "creation_time", ">", 5.0),
        Comparison("tag", "x", "=", "y"),
        Comparison("attribute", "experiment_id", "IN", ("1",)),
    ]
    for text in ("metrics.a > 1", "status = 'x'", "experiment_id LIKE '1'", "name IN ('a')"):
        with pytest.raises(MlflowError):
            parse(text, EXPERIMENTS)


def test_a_huge_filter_is_refused():
    with pytest.raises(MlflowError, match="longer than"):
        parse("a" * 200_000, RUNS)
    with pytest.raises(MlflowError, match="more than"):
        parse(" AND ".join(["params.a = 'x'"] * 1000), RUNS)


@given(st.text(alphabet="metrics.params tagAND=<>!'\"`(),1.5eINLKULOR\\\0ä\n", max_size=80))
def test_any_text_is_either_a_filter_or_refused(text):
    with suppress(MlflowError):
        assert all(one.key for one in parse(text, RUNS))


@given(st.text(min_size=1), st.text())
def test_any_value_can_be_asked_for(key, value):
    key, value = key.replace("`", "_"), value.replace("'", "_").replace("\\", "_")
    assert of_runs(f"params.`{key}` = '{value}'") == [("parameter", key, "=", value)]
