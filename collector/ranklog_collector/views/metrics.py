"""The metrics of a run: which there are, each point, a series for each process, and aggregates over ranks.

`child` is the id of a child run, empty for the run itself. With `resources` they are those that agents observed.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from ranklog_collector.core.process_files import iso
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.aggregate import aggregate
from ranklog_collector.series.read import catalog
from ranklog_collector.series.records import records
from ranklog_collector.series.selection import UnknownMetricError
from ranklog_collector.series.shapes import Floats, Ints, Metric, Record, Series
from ranklog_collector.series.single import series
from ranklog_collector.views.shapes import Json

LIMIT = 1000
POINTS = 1000
_STATISTICS = ("min", "mean", "max", "std", "p50", "p99")


def metric_views(folder: RunFolder, child: str = "", resources: bool = False) -> list[Json]:
    """All metrics by name; with `resources` those that agents observed follow those that were logged."""
    return [metric_view(one) for one in catalog(folder, child, resources)]


def metric_view(one: Metric) -> Json:
    """One metric over all its processes."""
    return {
        "key": one.key,
        "kind": one.kind,
        "count": one.count,
        "processes": one.processes,
        "ranks": one.ranks,
        "first_step": one.first_step,
        "last_step": one.last_step,
        "last": plain(one.last),
        "last_time": iso(one.last_ns),
        "min": one.min,
        "max": one.max,
        "mean": one.mean,
        "description": one.description,
        "is_resource": one.is_resource,
        "is_printed": one.is_printed,
    }


def record_page(
    folder: RunFolder,
    key: str | None = None,
    rank: int | None = None,
    child: str = "",
    limit: int = LIMIT,
    cursor: str | None = None,
    resources: bool = False,
) -> Json:
    """The next `records` in the order of time, and the `cursor` of those that follow; null if there are none now.

    Of a metric that nobody has logged yet there are none. Raises QuestionError.
    """
    try:
        found = records(folder, key, rank, child, cursor or None, limit, resources)
    except UnknownMetricError:
        return {"records": [], "cursor": None}
    return {
        "records": [record_view(one) for one in found.records],
        "cursor": found.cursor if len(found.records) == limit else None,
    }


def record_view(one: Record) -> Json:
    """One point; its value in the kind's own shape."""
    return {**asdict(one), "value": plain(one.value)}


def series_views(
    folder: RunFolder,
    key: str,
    rank: int | None = None,
    child: str = "",
    points: int = POINTS,
    x: str = "step",
    resources: bool = False,
) -> list[Json]:
    """A series for each process, thinned to about so many points. Raises NotThereError."""
    return [series_view(one) for one in series(folder, key, rank, child, points, x, resources)]


def series_view(one: Series) -> Json:
    """One metric of one process as columns."""
    return {
        "node": one.node,
        "process": one.process,
        "rank": one.rank,
        "attempt": one.attempt,
        "step": one.step.tolist(),
        "time_ns": one.time_ns.tolist(),
        "value": _numbers(one.value),
        "total": one.total,
    }


def aggregate_view(
    folder: RunFolder, key: str, by: str = "step", child: str = "", points: int = POINTS, resources: bool = False
) -> Json:
    """A metric over ranks as columns, thinned to about so many rows. Raises NotThereError."""
    found = aggregate(folder, key, by, points, child, resources)
    return {
        "by": found.by,
        "step" if found.by == "step" else "time_ns": found.x.tolist(),
        "count": found.count.tolist(),
        "nonfinite": found.nonfinite.tolist(),
        **{name: _numbers(getattr(found, name)) for name in _STATISTICS},
        "min_rank": _ranks(found.min_rank),
        "max_rank": _ranks(found.max_rank),
        "total": found.total,
    }


def plain(value: Any) -> Any:
    """A value that JSON has: a number that it does not have as text, "NaN", "Infinity" or "-Infinity"."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return value


def _numbers(column: Floats) -> list[Any]:
    return [one if math.isfinite(one) else plain(one) for one in column.tolist()]


def _ranks(column: Ints) -> list[int | None]:
    """The ranks; none has a number below 0."""
    return [None if one < 0 else one for one in column.tolist()]
