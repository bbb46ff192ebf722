"""Models that clients log: what is known of each, as lines of a file of the run that made it. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ranklog.mlflow_api.errors import invalid
from ranklog.mlflow_api.runs import number
from ranklog_collector.mlflow.filters import ATTRIBUTE, METRIC, MODELS, PARAM, Comparison, identifier

PENDING, READY, FAILED = "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"
STATUSES: dict[Any, str] = {PENDING: PENDING, READY: READY, FAILED: FAILED, 1: PENDING, 2: READY, 3: FAILED}
_BAD_NAME = re.compile(r"[/:.%\"']")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "IN": lambda one, other: one in other,
    "NOT IN": lambda one, other: one not in other,
    "LIKE": lambda one, other: _like(one, other, 0),
    "ILIKE": lambda one, other: _like(one, other, re.IGNORECASE),
}
Json = dict[str, Any]
Line = dict[str, Any]


@dataclass(slots=True)
class Model:
    """A model; times are in ms."""

    model_id: str
    experiment_id: int
    name: str
    artifact_uri: str
    model_type: str
    source_run_id: str
    creation_timestamp: int
    last_updated_timestamp: int = 0
    status: str = PENDING
    is_deleted: bool = False
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[tuple[str, str, str, str], Json] = field(default_factory=dict)
    """The latest value of each, by key, name and digest of the dataset, and run."""

    def apply(self, line: Line) -> None:
        """Take in a line."""
        self.last_updated_timestamp = line.get("t", 0)
        self.status = line.get("status", self.status)
        self.is_deleted = line.get("deleted", self.is_deleted)
        self.params |= line.get("params", {})
        for key, value in line.get("tags", {}).items():
            if value is None:
                self.tags.pop(key, None)
            else:
                self.tags[key] = value
        for one in line.get("metrics", ()):
            place = (one["key"], one.get("dataset_name", ""), one.get("dataset_digest", ""), one.get("run_id", ""))
            before = self.metrics.get(place)
            if before is None or _moment(one) >= _moment(before):
                self.metrics[place] = one


def check_name(name: str) -> str:
    """Give back the name of a model."""
    if not name or _BAD_NAME.search(name):
        raise invalid(f"Invalid model name ({name}): it must be a non-empty string without any of / : . % \" '")
    return name


def shape(one: Model) -> Json:
    """A model as clients get it."""
    return {
        "info": {
            "model_id": one.model_id,
            "experiment_id": str(one.experiment_id),
            "name": one.name,
            "creation_timestamp_ms": one.creation_timestamp,
            "last_updated_timestamp_ms": one.last_updated_timestamp,
            "artifact_uri": one.artifact_uri,
            "status": one.status,
            "model_type": one.model_type,
            "source_run_id": one.source_run_id,
            "tags": [{"key": key, "value": value} for key, value in one.tags.items()],
        },
        "data": {
            "params": [{"key": key, "value": value} for key, value in one.params.items()],
            "metrics": [{**metric, "value": number(float(metric["value"]))} for metric in one.metrics.values()],
        },
    }


def matches(one: Model, comparison: Comparison, datasets: Sequence[Mapping[str, str]] = ()) -> bool:
    """Whether a model is as a clause of a filter says."""
    found: Any
    if comparison.entity == ATTRIBUTE:
        found = getattr(one, comparison.key)
    elif comparison.entity == METRIC:
        values = [float(metric["value"]) for metric in _metrics(one, comparison.key, datasets)]
        return any(_COMPARE[comparison.operator](value, comparison.value) for value in values)
    else:
        found = (one.params if comparison.entity == PARAM else one.tags).get(comparison.key)
    if comparison.operator in ("IS NULL", "IS NOT NULL"):
        return (found is None) == (comparison.operator == "IS NULL")
    return found is not None and bool(_COMPARE[comparison.operator](found, comparison.value))


def knows(one: Model, datasets: Sequence[Mapping[str, str]]) -> bool:
    """Whether a model has a metric of one of these datasets; without any, all models do."""
    places = [(dataset, digest) for _, dataset, digest, _ in one.metrics]
    return not datasets or any(_is(dataset, digest, each) for dataset, digest in places for each in datasets)


def ordered(found: list[Model], orders: Sequence[Json]) -> list[Model]:
    """Put models in order; the latest comes first if nothing else is said. What has no such value comes last."""
    found = sorted(found, key=lambda one: (-one.creation_timestamp, one.model_id))
    for order in reversed(orders):
        entity, key = identifier(str(order.get("field_name", "")), MODELS)
        is_descending = order.get("ascending") is False
        datasets = [order]
        values = {one.model_id: _value(one, entity, key, datasets) for one in found}
        there = [one for one in found if values[one.model_id] is not None]
        there.sort(key=lambda one: values[one.model_id], reverse=is_descending)
        found = there + [one for one in found if values[one.model_id] is None]
    return found


def _value(one: Model, entity: str, key: str, datasets: Sequence[Mapping[str, str]]) -> Any:
    if entity == ATTRIBUTE:
        return getattr(one, key)
    if entity == METRIC:
        known = _metrics(one, key, datasets)
        value = float(max(known, key=_moment)["value"]) if known else math.nan
        return None if math.isnan(value) else value
    return (one.params if entity == PARAM else one.tags).get(key)


def _metrics(one: Model, key: str, datasets: Sequence[Mapping[str, str]]) -> list[Json]:
    """Values of a metric, of some datasets or of all."""
    return [
        metric
        for (name, dataset, digest, _), metric in one.metrics.items()
        if name == key and (not datasets or any(_is(dataset, digest, each) for each in datasets))
    ]


def _is(dataset: str, digest: str, wanted: Mapping[str, str]) -> bool:
    return wanted.get("dataset_name") in (None, "", dataset) and wanted.get("dataset_digest") in (None, "", digest)


def _moment(metric: Json) -> tuple[int, int]:
    return metric["timestamp"], metric["step"]


def _like(text: str, pattern: str, flags: int) -> bool:
    expression = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(expression, text, flags | re.DOTALL) is not None
