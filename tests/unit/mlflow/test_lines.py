"""What came by REST, as lines and back."""

import math
from dataclasses import asdict

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog.mlflow_api import lines
from ranklog.mlflow_api.limits import TIMESTAMP_MAX
from ranklog_collector.core.points import Names, parse
from ranklog_collector.mlflow.replay import replay
from ranklog_collector.mlflow.run import Dataset, Info, Run

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
METRICS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.floats(),
        st.integers(0, TIMESTAMP_MAX),
        st.integers(-(1 << 63) + 1, (1 << 63) - 1),
    ),
    min_size=1,
)


def a_run():
    return Run(Info("r", 0, "default/r", "r", 0))


def replayed(content):
    run = a_run()
    for line in content.splitlines():
        replay(run, orjson.loads(line))
    return run


def same(value):
    return "nan" if math.isnan(value) else value


@given(METRICS)
def test_every_reader_of_points_finds_all_metrics(metrics):
    parsed = parse(content := lines.dump(lines.of_metrics(metrics)), 0, names := Names())
    assert parsed.damaged == 0
    points = parsed.points
    found = [
        (names.all[name][1], same(value), time // 1_000_000, step)
        for name, value, time, step in zip(points.names, points.values, points.times, points.steps, strict=True)
    ]
    assert sorted(found, key=repr) == sorted(((k, same(v), t, s) for k, v, t, s in metrics), key=repr)
    assert content.count(b"\n") <= len(metrics)


@given(METRICS)
def test_what_is_replayed_is_what_was_taken_in(metrics):
    run = a_run()
    run.add_metrics(metrics)
    again = replayed(lines.dump(lines.of_metrics(metrics)))
    assert again.metrics.keys() == run.metrics.keys()
    for key, (step, timestamp, value) in run.metrics.items():
        if not any(math.isnan(one[1]) for one in metrics):
            assert again.metrics[key] == (step, timestamp, value)


@given(st.dictionaries(TEXTS, TEXTS), st.dictionaries(TEXTS, TEXTS | st.none()))
def test_parameters_and_tags_come_back(params, tags):
    run = replayed(lines.dump(lines.of_facts(1, params, tags)))
    assert run.params == params
    assert run.tags == {key: value for key, value in tags.items() if value is not None}


def test_a_batch_of_one_metric_is_one_line():
    content = lines.dump(lines.of_metrics([("a", 0.5, 1, step) for step in range(1000)]))
    assert content.count(b"\n") == 1
    content = lines.dump(lines.of_metrics([(f"m{number}", 0.5, 1, 7) for number in range(1000)]))
    assert content.count(b"\n") == 1


def test_datasets_come_back():
    one = Dataset("n", "d", "st", "s", "schema", "profile", {"mlflow.data.context": "training"})
    run = replayed(lines.dump([{"t": 1, "inputs": [asdict(one)]}]))
    assert list(run.datasets.values()) == [one]
    assert one.context == "training"


def test_the_latest_value_is_of_the_highest_step_then_time_then_value():
    run = a_run()
    run.add_metrics(
        [("m", 1000.0, 100, 0), ("m", 10.0, 50, 3), ("m", 20.0, 50, 3), ("m", 100.0, 40, 3), ("m", 9.0, 900, -3)]
    )
    assert run.metrics["m"] == (3, 50, 20.0)


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"t": "x", "k": "a", "v": 1},
        {"t": 1, "k": "a", "v": []},
        {"t": 1, "k": "a", "vs": 3},
        {"t": 1, "k": "a", "vs": [1], "ts": []},
        {"t": 1, "m": [1]},
        {"t": 1, "tag": 3, "param": [], "set": None, "inputs": [1, {"name": 3}, {}]},
        {"t": 1, "inputs": {}},
        {"t": 1, "k": "a", "v": {"f": []}},
    ],
)
def test_lines_of_others_do_no_harm(line):
    run = a_run()
    replay(run, line)
    assert (run.metrics, run.params, run.tags, run.datasets) == ({}, {}, {}, {})
