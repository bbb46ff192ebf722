"""What MLflow's client logs, as members of a line of points (docs/reference/points.md). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ranklog.mlflow_api.limits import Metric
from ranklog.points.values import written

NS_PER_MS = 10**6
NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"
STATES = {
    "RUNNING": "running",
    "SCHEDULED": "running",
    "FINISHED": "completed",
    "FAILED": "failed",
    "KILLED": "canceled",
}
"""MLflow's statuses, and ours."""

Fields = dict[str, Any]


def metric_lines(metrics: Sequence[Metric]) -> Iterator[tuple[int, str | None, Fields]]:
    """Yield time (ns), name and other members of the lines that hold a batch."""
    moments = {(each.timestamp, each.step) for each in metrics}
    keys = {each.key for each in metrics}
    if len(moments) == 1 and len(keys) == len(metrics):
        timestamp, step = moments.pop()
        yield timestamp * NS_PER_MS, None, {"m": {each.key: written(each.value) for each in metrics}, "s": step}
        return
    by_key: dict[str, list[Metric]] = {}
    for each in metrics:
        by_key.setdefault(each.key, []).append(each)
    for key, found in by_key.items():
        columns = {
            "vs": [written(each.value) for each in found],
            "ts": [each.timestamp * NS_PER_MS for each in found],
            "ss": [each.step for each in found],
        }
        yield found[0].timestamp * NS_PER_MS, key, columns


def tag_fields(tags: Sequence[tuple[str, str]]) -> Fields:
    """Give the members that say tags; the run's name is one in MLflow, and more than one here."""
    known = dict(tags)
    name = known.pop(NAME_TAG, None)
    known.pop(PARENT_TAG, None)
    return {**({"tag": known} if known else {}), **({"set": {"display_name": name}} if name else {})}
