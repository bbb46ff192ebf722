"""What is in a spool, as series and over ranks: the same as a collector would say."""

from __future__ import annotations

import math
from typing import Any

import orjson

from ranklog.source import spool_metrics
from ranklog.source.protocol import EMPTY, Json


def record(value: Any, step: int | None = None, rank: int | None = 0, key: str = "loss", kind: str = "scalar") -> Json:
    place = {"node": "n0", "process": f"p{rank}", "rank": rank, "run_id": "r1"}
    return {"key": key, "kind": kind, "value": value, "step": step, "time_ns": 10**18, **place}


def test_each_metric_is_a_row() -> None:
    found = [
        record(2.0, 5),
        record(math.nan, 6, rank=1),
        record(True, key="flag"),
        record([1, 4], kind="list", key="l"),
    ]
    rows = {row["key"]: row for row in spool_metrics.metrics(found)}
    assert list(rows) == ["flag", "l", "loss"]
    loss = rows["loss"]
    assert (loss["count"], loss["processes"], loss["ranks"]) == (2, 2, [0, 1])
    assert (loss["first_step"], loss["last_step"], loss["last"]) == (5, 6, "NaN")
    assert (loss["min"], loss["max"], loss["mean"]) == (2.0, 2.0, 2.0)
    assert (rows["l"]["last"], rows["l"]["mean"]) == ([1, 4], 2.5)


def test_what_is_no_number_has_no_statistics() -> None:
    (row,) = spool_metrics.metrics([record("text")])
    assert (row["last"], row["min"], row["mean"]) == ("text", None, None)
    (row,) = spool_metrics.metrics([record({"a": math.inf, "b": [1]}, kind="row")])
    assert row["last"] == {"a": "Infinity", "b": [1]}


def test_a_series_is_in_the_order_of_steps_and_counts_where_there_are_none() -> None:
    (one,) = spool_metrics.series([record(1, 9), record(2, 3), record("no number", 4)], 100)
    assert (one["rank"], one["step"], one["value"]) == (0, [3, 9], [2.0, 1.0])
    (one,) = spool_metrics.series([record(5), record(6)], 100)
    assert one["step"] == [0, 1]
    (one,) = spool_metrics.series([record([5, 6], kind="list"), record([7], kind="list")], 100)
    assert (one["step"], one["value"]) == ([0, 1, 2], [5.0, 6.0, 7.0])


def test_a_long_series_is_thinned_and_keeps_its_extremes() -> None:
    found = [record(float(step % 7), step) for step in range(10_000)]
    found[5000]["value"], found[6000]["value"], found[7000]["value"] = 1e9, -1e9, math.nan
    (one,) = spool_metrics.series(found, 100)
    assert len(one["step"]) <= 100
    assert (one["step"][0], one["step"][-1], one["total"]) == (0, 9999, 10_000)
    assert {1e9, -1e9} <= set(one["value"])


def test_over_ranks_each_step_tells_who_is_least_and_most() -> None:
    found = [record(value, 1, rank) for rank, value in enumerate((3.0, 1.0, 2.0))]
    found += [record(9.0, 2, 0), record(7.0, 2, 0), record(math.nan, 3, 1)]
    answer = spool_metrics.aggregate(found, 100)
    assert (answer["step"], answer["count"]) == ([1, 2, 3], [3, 1, 1])
    assert (answer["min"], answer["mean"], answer["max"]) == ([1.0, 7.0, "NaN"], [2.0, 7.0, "NaN"], [3.0, 7.0, "NaN"])
    assert (answer["min_rank"], answer["max_rank"]) == ([1, 0, None], [0, 0, None])
    assert orjson.loads(orjson.dumps(answer)) == answer


def test_nothing_gives_nothing() -> None:
    assert spool_metrics.metrics([]) == []
    assert spool_metrics.series([], 10) == []
    assert {name: spool_metrics.aggregate([], 10)[name] for name in EMPTY} == EMPTY
