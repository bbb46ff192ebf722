"""What readers get of points: catalog, records, series, aggregates and facts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series import points
from ranklog_collector.series.read import UnknownMetricError, aggregate, catalog, facts, records, series
from ranklog_collector.series.seal import seal
from ranklog_collector.series.shapes import Aggregate
from ranklog_collector.series.sparks import sparks
from tests.support.run_writer import ns
from tests.unit.series.conftest import Job

NAN = {"f": "nan"}
INF = {"f": "inf"}


def test_the_catalog_tells_what_there_is(job: Job) -> None:
    for rank in (0, 1):
        process = job.rank(rank)
        for step in range(3):
            job.log(process, at=step + rank / 10, k="loss", v=float(step + rank), s=step)
    job.log(process, k="name", v="adam", d="of the optimizer")
    loss, name = catalog(job.open())
    assert (loss.key, loss.kind, loss.count, loss.processes, loss.ranks) == ("loss", "scalar", 6, 2, [0, 1])
    assert (loss.first_step, loss.last_step, loss.last, loss.min, loss.max, loss.mean) == (0, 2, 3.0, 0.0, 3.0, 1.5)
    assert (name.last, name.min, name.mean, name.description) == ("adam", None, None, "of the optimizer")


@pytest.mark.parametrize("count", [1, 20, 100])
def test_how_a_metric_went_has_no_gaps_and_no_more_parts_than_points(job: Job, count: int) -> None:
    process = job.rank(0)
    for step in range(count):
        job.log(process, at=step, k="x", v=float(step), s=step)
    went = sparks(job.open(), 24)["x"]
    assert len(went) == min(24, count)
    assert np.all(np.diff(went) > 0)
    assert went.mean() == pytest.approx((count - 1) / 2, rel=0.1)


def test_nan_is_counted_and_poisons_nothing(job: Job) -> None:
    for rank, value in enumerate((1.0, NAN, 3.0, INF)):
        job.log(job.rank(rank), k="x", v=value, s=0)
    (metric,) = catalog(job.open())
    assert (metric.count, metric.min, metric.max, metric.mean) == (4, 1.0, 3.0, 2.0)
    found = aggregate(job.open(), "x")
    assert (found.count.tolist(), found.nonfinite.tolist()) == ([4], [2])
    assert (found.min.tolist(), found.mean.tolist(), found.max.tolist()) == ([1.0], [2.0], [3.0])


def test_where_all_are_odd_the_statistics_are(job: Job) -> None:
    for rank, values in enumerate(((INF, NAN, INF), (INF, NAN, {"f": "-inf"}))):
        process = job.rank(rank)
        for step, value in enumerate(values):
            job.log(process, k="x", v=value, s=step)
    found = aggregate(job.open(), "x")
    assert found.mean[0] == math.inf
    assert found.max[0] == math.inf
    assert np.isnan(found.mean[1:]).all()
    assert np.isnan(found.min[1:]).all()


def test_an_aggregate_has_the_statistics_of_each_step(job: Job) -> None:
    values = np.random.default_rng(7).normal(size=(5, 20))
    for rank, row in enumerate(values):
        process = job.rank(rank)
        for step, value in enumerate(row.tolist()):
            job.log(process, k="x", v=value, s=step * 10)
    found = aggregate(job.open(), "x")
    assert found.x.tolist() == list(range(0, 200, 10))
    assert found.total == 20
    for name, expected in {
        "min": values.min(0),
        "mean": values.mean(0),
        "max": values.max(0),
        "std": values.std(0),
        "p50": np.percentile(values, 50, axis=0),
        "p99": np.percentile(values, 99, axis=0),
        "min_rank": values.argmin(0),
        "max_rank": values.argmax(0),
    }.items():
        assert getattr(found, name) == pytest.approx(expected), name


def test_of_equal_ranks_the_lowest_is_named(job: Job) -> None:
    for rank in (2, 0, 1):
        job.log(job.rank(rank), k="x", v=0.5, s=0)
    found = aggregate(job.open(), "x")
    assert (found.min_rank.tolist(), found.max_rank.tolist()) == ([0], [0])


def test_the_newest_attempt_of_a_rank_counts_where_it_has_come(job: Job) -> None:
    first = job.rank(0, at=0)
    for step in range(4):
        job.log(first, k="x", v=1.0, s=step)
    second = job.rank(0, at=5, pid=200)
    for step in range(2, 3):
        job.log(second, k="x", v=2.0, s=step)
    found = aggregate(job.open(), "x")
    assert found.count.tolist() == [1, 1, 1, 1]
    assert found.mean.tolist() == [1.0, 1.0, 2.0, 1.0]
    assert [(one.attempt, one.value.tolist()) for one in series(job.open(), "x")] == [(1, [1.0] * 4), (2, [2.0])]


def test_of_several_values_at_a_step_the_last_counts(job: Job) -> None:
    process = job.rank(0)
    for value in (1.0, 2.0, 3.0):
        job.log(process, k="x", v=value, s=5)
    found = aggregate(job.open(), "x")
    assert (found.count.tolist(), found.mean.tolist()) == ([1], [3.0])


def test_answers_take_in_what_comes(job: Job) -> None:
    one, two = job.rank(0), job.rank(1)
    folder = job.open()
    rng = np.random.default_rng(1)
    for process, step in [(one, 0), (one, 1), (two, 0), (one, 2), (two, 1), (one, 0), (two, 2), (two, 9), (one, 5)]:
        for number in range(3):
            job.log(process, at=step + number / 10, k="x", v=[NAN, float(rng.normal())][number > 0], s=step + number)
        folder.refresh()
        assert _answers(folder) == _answers_of_one_who_knows_nothing(job)


def test_answers_take_in_what_comes_over_segments(job: Job) -> None:
    keys = [job.rank(rank) for rank in range(3)]
    folder = job.open()
    rng = np.random.default_rng(2)
    for round_ in range(12):
        for key in keys[: 1 + round_ % 3]:
            job.log(key, at=round_, k="x", vs=rng.normal(size=7).tolist())
        folder.refresh()
        assert _answers(folder) == _answers_of_one_who_knows_nothing(job)
        if round_ % 4 == 3:
            seal(job.open(), 1)


def _answers(folder: RunFolder) -> Any:
    """What changes as a run grows, but for the last digits, which depend on the order of adding up."""
    over_ranks = [aggregate(folder, "x"), aggregate(folder, "x", by="time", points=7)]
    names = [name for name in Aggregate.__dataclass_fields__ if name not in ("by", "total")]
    columns = [np.round(getattr(one, name), 9).tolist() for one in over_ranks for name in names]
    alone = [(one.rank, one.step.tolist(), one.value.tolist(), one.total) for one in series(folder, "x", points=8)]
    return repr((columns, alone))


def _answers_of_one_who_knows_nothing(job: Job) -> Any:
    known = dict(points._open)
    points._open.clear()
    try:
        return _answers(job.open())
    finally:
        points._open.clear()
        points._open.update(known)


def test_by_time_all_values_of_a_span_count(job: Job) -> None:
    for rank in (0, 1):
        process = job.rank(rank)
        for second in range(10):
            job.log(process, at=second, k="x", v=float(second * (rank + 1)))
    found = aggregate(job.open(), "x", by="time", points=2)
    assert found.count.tolist() == [10, 10]
    assert found.x[0] == ns(0)
    assert (found.min.tolist(), found.max.tolist(), found.max_rank.tolist()) == ([0.0, 5.0], [8.0, 18.0], [1, 1])


def test_times_are_corrected_for_the_nodes_clock(job: Job) -> None:
    job.writer.node("n1", "10.0.0.2")
    job.writer.clock("n1", -100.0)
    job.log(job.rank(0, "n0"), at=2, k="x", v=0)
    job.log(job.rank(1, "n1"), at=101, node="n1", k="x", v=1)
    found = records(job.open()).records
    assert [(record.value, record.time_ns) for record in found] == [(1, ns(1)), (0, ns(2))]
    assert series(job.open(), "x", rank=1)[0].time_ns.tolist() == [ns(1)]
    assert aggregate(job.open(), "x", by="time").x.tolist() == pytest.approx([ns(1), ns(2)], abs=1e7)
    assert catalog(job.open())[0].last == 0


def test_records_have_the_kinds_own_shape(job: Job) -> None:
    process = job.rank(3)
    job.log(process, at=1, k="a", list=[1, 2.0])
    job.log(process, at=2, k="b", row={"x": 1})
    job.log(process, at=3, k="c", v=True, s=9)
    found = records(job.open()).records
    assert [(one.key, one.kind, one.value, one.step) for one in found] == [
        ("a", "list", [1, 2.0], 0),
        ("b", "row", {"x": 1}, 0),
        ("c", "scalar", True, 9),
    ]
    assert (found[0].node, found[0].process, found[0].rank, found[0].run_id) == ("n0", "rank_3", 3, "r1")


def test_a_cursor_goes_on_without_loss_or_repetition(job: Job) -> None:
    one, two = job.rank(0), job.rank(1)
    folder = job.open()
    seen: list[Any] = []
    cursor = None
    for number in range(20):
        job.log(one, at=number % 7, k="x", v=number)
        job.log(two, at=-number, m={"x": -number, "y": 0})
        folder.refresh()
        portion = records(folder, "x", after=cursor, limit=1)
        cursor = portion.cursor
        seen += portion.records
    seen += records(folder, "x", after=cursor).records
    assert sorted(record.value for record in seen) == sorted([*range(20), *range(0, -20, -1)])
    for rank, expected in ((0, list(range(20))), (1, [-number for number in range(20)])):
        assert [record.value for record in seen if record.rank == rank] == expected


def test_a_cursor_that_is_none_is_refused(job: Job) -> None:
    job.log(job.rank(0), k="x", v=1)
    for cursor in ("", "abc", "eJw", "é"):
        with pytest.raises(ReadingError, match="cursor"):
            records(job.open(), after=cursor)


def test_a_long_series_keeps_its_extremes_and_gaps(job: Job) -> None:
    process = job.rank(0)
    values: list[Any] = [math.sin(i / 50) for i in range(5000)]
    values[1234], values[4321], values[2500] = 99.0, -99.0, NAN
    job.log(process, k="x", vs=values)
    (found,) = series(job.open(), "x", points=100)
    assert len(found.value) <= 110
    assert found.total == 5000
    assert (found.step[0], found.step[-1]) == (0, 4999)
    assert found.step[np.nanargmax(found.value)] == 1234
    assert found.step[np.nanargmin(found.value)] == 4321
    assert found.step[np.isnan(found.value)].tolist() == [2500]
    assert (np.diff(found.step) > 0).all()


def test_a_long_aggregate_keeps_its_extremes(job: Job) -> None:
    for rank in range(2):
        values = [float(rank)] * 3000
        values[777 + rank] = 50.0 - 100 * rank
        job.log(job.rank(rank), k="x", vs=values)
    found = aggregate(job.open(), "x", points=50)
    assert len(found.x) <= 52
    assert found.total == 3000
    assert found.x[found.max.argmax()] == 777
    assert found.x[found.min.argmin()] == 778
    assert (found.x[0], found.x[-1]) == (0, 2999)


def test_a_list_is_a_series_of_its_elements(job: Job) -> None:
    process = job.rank(0)
    job.log(process, k="fib", list=[0, 1, 1])
    job.log(process, k="fib", list=[2, "x", NAN])
    (found,) = series(job.open(), "fib")
    assert found.value[:4].tolist() == [0, 1, 1, 2]
    assert np.isnan(found.value[4])
    assert found.step.tolist() == [0, 1, 2, 3, 4]


def test_text_is_no_series(job: Job) -> None:
    job.log(job.rank(0), k="x", v="text")
    assert len(series(job.open(), "x")[0].value) == 0
    assert len(aggregate(job.open(), "x").x) == 0
    assert len(aggregate(job.open(), "x", by="time").x) == 0


def test_an_unknown_metric_is_told_with_those_like_it(job: Job) -> None:
    process = job.rank(0)
    for name in ("train/loss", "val/loss", "lr"):
        job.log(process, k=name, v=1)
    for question in (series, aggregate, records):
        with pytest.raises(UnknownMetricError, match="train/loss"):
            question(job.open(), "train/los")
    with pytest.raises(UnknownMetricError, match="nobody has logged"):
        series(job.open(), "lr", run="r1.none")


def test_a_childs_metrics_are_its_own(job: Job) -> None:
    process = job.rank(0)
    job.log(process, k="x", v=1)
    job.log(process, k="x", v=2, r="r1.00000001")
    assert [one.count for one in catalog(job.open())] == [1]
    assert records(job.open(), run="r1.00000001").records[0].run_id == "r1.00000001"
    assert records(job.open(), run="r1").records[0].value == 1


def test_what_agents_observe_is_kept_apart(job: Job) -> None:
    process = job.rank(0)
    job.log(process, k="x", v=1)
    job.log(process, name="resources", k="cpu", v=50.0)
    assert [one.key for one in catalog(job.open())] == ["x"]
    assert [(one.key, one.is_resource) for one in catalog(job.open(), resources=True)] == [("x", False), ("cpu", True)]
    assert series(job.open(), "cpu", resources=True)[0].value.tolist() == [50.0]
    with pytest.raises(UnknownMetricError):
        series(job.open(), "cpu")


def test_facts_of_all_processes_are_one(job: Job) -> None:
    one, two = job.rank(0), job.rank(1)
    job.log(one, at=1, tag={"a": "1", "b": "x"}, param={"lr": "0.1"})
    job.log(two, at=2, tag={"a": "2", "b": None}, param={"lr": "0.2"})
    job.log(one, at=3, child="r1.00000001", set={"display_name": "mine"})
    job.log(one, at=4, set={"display_name": "kid"}, r="r1.00000001")
    job.log(one, at=5, status="failed", error="why", r="r1.00000001")
    job.log(two, at=6, status="completed")
    job.log(two, artifact="outputs/a")
    found = facts(job.open())
    assert (found.tags, found.params, found.display_name) == ({"a": "2"}, {"lr": "0.1"}, "mine")
    assert (found.status, found.error, found.artifacts) == ("completed", None, ["outputs/a"])
    (child,) = found.children
    assert (child.run_id, child.name, child.state) == ("r1.00000001", "kid", "failed")
    assert (child.started_ns, child.ended_ns) == (ns(3), ns(5))
    assert facts(job.open(), "r1.00000001").error == "why"


def test_only_what_the_journal_vouches_for_is_read(job: Job) -> None:
    process = job.rank(0)
    job.log(process, k="x", v=1)
    stream = job.raw(process, b"")
    job.writer.write(stream, b'{"t":1,"k":"x","v":2}\n', vouch=False)
    assert catalog(job.open())[0].count == 1


@pytest.mark.parametrize("key", ["", "a\0b", "it's", 'a"b', "naïve 🙂", "x" * 10_000, "%s {source} ?"], ids=range(7))
def test_a_metric_may_have_any_name(job: Job, key: str) -> None:
    one, two = job.rank(0), job.rank(1)
    job.log(one, k=key, v=1.5)
    job.log(two, m={key: 2.5, "other": "text\0"})
    for _ in range(2):
        assert [metric.key for metric in catalog(job.open())] == sorted([key, "other"])
        assert [record.value for record in records(job.open(), key).records] == [1.5, 2.5]
        assert records(job.open(), "other").records[0].value == "text\0"
        assert aggregate(job.open(), key).mean.tolist() == [2.0]
        seal(job.open(), 1)
        points._open.clear()
