"""Logged models: what is known of them, found and put in order."""

import pytest

from ranklog.mlflow_api.errors import MlflowError
from ranklog_collector.mlflow.filters import MODELS, parse
from ranklog_collector.mlflow.model_store import ModelStore
from ranklog_collector.mlflow.models import READY, Model, check_name, knows, matches, ordered


def a_model(name="m", created=1, **values):
    return Model(f"m-{name}", 0, name, "uri", "", "run", created, **values)


def a_metric(key, value, dataset="", digest="", timestamp=1):
    return {
        "key": key,
        "value": value,
        "timestamp": timestamp,
        "step": 0,
        "dataset_name": dataset,
        "dataset_digest": digest,
        "run_id": "r",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name = 'net'", True),
        ("attributes.name LIKE 'n%'", True),
        ("name ILIKE 'N_T'", True),
        ("name IN ('x', 'net',)", True),
        ("source_run_id != 'run'", False),
        ("creation_time >= 5", True),
        ("params.lr = '0.1' AND tags.stage = 'a'", True),
        ("params.other = 'x'", False),
        ("params.other IS NULL", True),
        ("metrics.acc > 0.8", True),
        ("metrics.acc > 0.95", False),
    ],
)
def test_models_are_found_by_what_they_are(text, expected):
    one = a_model("net", 5, params={"lr": "0.1"}, tags={"stage": "a"})
    one.apply({"t": 6, "metrics": [a_metric("acc", 0.9, "d1", "x")]})
    assert all(matches(one, clause) for clause in parse(text, MODELS)) is expected


def test_metrics_may_be_asked_for_of_a_dataset():
    one = a_model()
    one.apply({"t": 1, "metrics": [a_metric("acc", 0.9, "d1", "x"), a_metric("acc", 0.1, "d2", "y")]})
    (clause,) = parse("metrics.acc > 0.5", MODELS)
    assert matches(one, clause, [{"dataset_name": "d1"}])
    assert not matches(one, clause, [{"dataset_name": "d2"}])
    assert knows(one, [{"dataset_name": "d2", "dataset_digest": "y"}])
    assert not knows(one, [{"dataset_name": "d2", "dataset_digest": "x"}])


def test_the_latest_come_first_unless_asked_otherwise():
    models = [a_model("a", 1), a_model("b", 2), a_model("c", 3)]
    models[0].apply({"t": 1, "metrics": [a_metric("acc", 0.5)]})
    models[1].apply({"t": 1, "metrics": [a_metric("acc", 0.9), a_metric("acc", 0.1, timestamp=2)]})
    assert [one.name for one in ordered(models, [])] == ["c", "b", "a"]
    assert [one.name for one in ordered(models, [{"field_name": "metrics.acc"}])] == ["b", "a", "c"]
    descending = [{"field_name": "metrics.acc", "ascending": False}]
    assert [one.name for one in ordered(models, descending)] == ["a", "b", "c"]
    with pytest.raises(MlflowError):
        ordered(models, [{"field_name": "nonsense"}])


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "100%", '"', "'"])
def test_names_that_models_cannot_have(name):
    with pytest.raises(MlflowError, match="Invalid model name"):
        check_name(name)


def test_models_are_known_again_and_damage_does_no_harm(tmp_path):
    store = ModelStore(str(tmp_path))
    one, other = a_model("one"), a_model("other")
    store.add(one, "exp/run", {"t": 1, "params": {"a": "1"}})
    store.append(one, {"t": 2, "status": READY, "tags": {"x": "y"}})
    store.add(other, None, {"t": 1})
    store.append(other, {"t": 2, "deleted": True})
    for name, content in (("cut", b'{"model":'), ("none", b""), ("other", b"[1]\n"), ("bad", b'{"model":{"x":1}}\n')):
        (tmp_path / "exp/run/.ranklog/models" / f"{name}.jsonl").write_bytes(content)
    again = ModelStore(str(tmp_path))
    assert list(again) == [one]
    assert again.find("m-other") is None
    with pytest.raises(MlflowError):
        again.get("m-other")
