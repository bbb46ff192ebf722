"""What records come to: which metrics there are, a series for each process, and one over ranks. Pure.

The answers have the form of docs/reference/http.md. This is for what a notebook has logged itself; the collector's
package does the same for millions of points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

from ranklog.source.protocol import EMPTY, Json

ODD = {math.inf: "Infinity", -math.inf: "-Infinity"}


def metrics(records: Iterable[Json]) -> list[Json]:
    """Give a row for each metric, by name; the records come in the order of time."""
    groups: dict[str, list[Json]] = {}
    for record in records:
        groups.setdefault(record["key"], []).append(record)
    return [_metric(key, groups[key]) for key in sorted(groups)]


def series(records: Iterable[Json], points: int) -> list[Json]:
    """Give the numbers of a metric, a series for each process, thinned to about so many points."""
    found = []
    for process, group in _by_process(records).items():
        steps, values = _numbers(group)
        rows = _kept(steps, values, values, points)
        found.append(
            {
                "node": group[0]["node"],
                "process": process,
                "rank": group[0]["rank"],
                "step": [steps[row] for row in rows],
                "value": [_plain(values[row]) for row in rows],
                "total": len(steps),
            }
        )
    return found


def aggregate(records: Iterable[Json], points: int) -> Json:
    """Give a metric over ranks, a row for each step, thinned to about so many; of several at a step the last counts."""
    at: dict[int, dict[str, tuple[float, int | None]]] = {}
    for process, group in _by_process(records).items():
        for step, value in zip(*_numbers(group), strict=True):
            at.setdefault(step, {})[process] = (value, group[0]["rank"])
    steps = sorted(at)
    rows = [_row(step, list(at[step].values())) for step in steps]
    kept = _kept(steps, [row["min"] for row in rows], [row["max"] for row in rows], points)
    columns = {name: [rows[row][name] for row in kept] for name in EMPTY}
    plain = {name: [_plain(value) for value in columns[name]] for name in ("min", "mean", "max")}
    return {"by": "step", **columns, **plain, "total": len(steps)}


def _metric(key: str, group: list[Json]) -> Json:
    steps = [step for own in _by_process(group).values() for step in _steps(own)]
    numbers = [value for record in group for value in _values(record) if math.isfinite(value)]
    latest = group[-1]
    return {
        "key": key,
        "kind": latest["kind"],
        "count": len(group),
        "processes": len({record["process"] for record in group}),
        "ranks": sorted({record["rank"] for record in group if record["rank"] is not None}),
        "first_step": min(steps),
        "last_step": max(steps),
        "last": _plain(latest["value"]),
        "last_time": datetime.fromtimestamp(latest["time_ns"] / 1e9, timezone.utc).isoformat(),
        "min": min(numbers, default=None),
        "max": max(numbers, default=None),
        "mean": math.fsum(numbers) / len(numbers) if numbers else None,
        "description": "",
        "is_resource": False,
        "is_printed": False,
    }


def _by_process(records: Iterable[Json]) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = {}
    for record in records:
        groups.setdefault(record["process"], []).append(record)
    return groups


def _steps(group: Sequence[Json]) -> list[int]:
    return [place if record["step"] is None else record["step"] for place, record in enumerate(group)]


def _numbers(group: Sequence[Json]) -> tuple[list[int], list[float]]:
    """Steps and values of what one process has logged, in the order of steps. The steps of a list are its places."""
    if group[-1]["kind"] == "list":
        values = [value for record in group for value in _values(record)]
        return list(range(len(values))), values
    pairs = [(step, value) for step, record in zip(_steps(group), group, strict=True) for value in _values(record)]
    pairs.sort(key=lambda pair: pair[0])
    return [step for step, _ in pairs], [value for _, value in pairs]


def _values(record: Json) -> list[float]:
    value = record["value"]
    listed: Sequence[Any] = value if record["kind"] == "list" else [value] if record["kind"] == "scalar" else []
    return [float(one) for one in listed if isinstance(one, int | float)]


def _row(step: int, found: list[tuple[float, int | None]]) -> Json:
    finite = [each for each in found if math.isfinite(each[0])]
    values = [value for value, _ in finite]
    least, most = (pick(finite, key=lambda each: each[0], default=(math.nan, None)) for pick in (min, max))
    return {
        "step": step,
        "count": len(found),
        "min": least[0],
        "mean": math.fsum(values) / len(values) if values else math.nan,
        "max": most[0],
        "min_rank": least[1],
        "max_rank": most[1],
    }


def _kept(x: Sequence[int], low: Sequence[float], high: Sequence[float], points: int) -> list[int]:
    """Choose about so many rows: of equal parts of them the lowest and the highest, and the first and the last."""
    if len(x) <= points:
        return list(range(len(x)))
    parts = max(points // 2 - 1, 1)
    edges = [place * len(x) // parts for place in range(parts + 1)]
    chosen = {0, len(x) - 1}
    for first, last in pairwise(edges):
        rows = [row for row in range(first, last) if math.isfinite(low[row])] or [first]
        chosen |= {min(rows, key=low.__getitem__), max(rows, key=high.__getitem__)}
    return sorted(chosen)


def _plain(value: Any) -> Any:
    """A value that JSON has."""
    if isinstance(value, float) and not math.isfinite(value):
        return ODD.get(value, "NaN")
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value
