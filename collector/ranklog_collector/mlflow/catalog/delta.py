"""What the catalog is to take in of one run."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from ranklog_collector.mlflow.run import Changes, Dataset, Point, Run

KEY_MAX = 250
"""Longer names, which MLflow does not know, are not searched for."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delta:
    """Rows to be written, and keys of tags to be removed."""

    run_id: str
    info: Row | None
    params: list[Row]
    tags: list[Row]
    removed_tags: list[str]
    metrics: list[Row]
    datasets: list[Row] | None
    """None: they are as they were."""


def take(run: Run) -> Delta:
    """Take the changes of a run, which has none any more."""
    changes, run.changes = run.changes, Changes()
    run_id = run.info.run_id
    return Delta(
        run_id,
        {name: _plain(value) for name, value in asdict(run.info).items()} if changes.info else None,
        [_pair(run_id, key, run.params[key]) for key in changes.params if key in run.params and _is_short(key)],
        [_pair(run_id, key, run.tags[key]) for key in changes.tags if key in run.tags and _is_short(key)],
        [_plain(key) for key in changes.tags if key not in run.tags],
        [_metric(run_id, key, run.metrics[key]) for key in changes.metrics if key in run.metrics and _is_short(key)],
        [_dataset(run_id, place, one) for place, one in enumerate(run.datasets.values())] if changes.datasets else None,
    )


def _is_short(key: str) -> bool:
    return len(key) <= KEY_MAX


def _pair(run_id: str, key: str, value: str) -> Row:
    return {"run_id": run_id, "key": _plain(key), "value": _plain(value)}


def _metric(run_id: str, key: str, point: Point) -> Row:
    step, timestamp, value = point
    is_nan = math.isnan(value)
    return {
        "run_id": run_id,
        "key": _plain(key),
        "value": 0.0 if is_nan else value,
        "is_nan": is_nan,
        "step": step,
        "timestamp": timestamp,
    }


def _dataset(run_id: str, place: int, one: Dataset) -> Row:
    row = {name: _plain(value) for name, value in asdict(one).items() if name != "tags"}
    tags = orjson.dumps(dict(one.tags)).decode()
    context = one.context
    return {"run_id": run_id, "place": place, **row, "context": context and _plain(context), "tags": tags}


def _plain(value: Any) -> Any:
    """PostgreSQL has no text with NUL in it."""
    return value.replace("\0", "") if type(value) is str else value
