"""A run as MLflow's API has it: the JSON of `runs/get` and its kin. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ranklog.mlflow_api.datasets import MEMBERS
from ranklog.mlflow_api.ids import mlflow_run_id
from ranklog.mlflow_api.known import Known
from ranklog.mlflow_api.lines import NS_PER_MS
from ranklog.mlflow_api.metrics import Metric

Json = dict[str, Any]


def run_json(one: Known, experiment: str, artifact_uri: str, status: str | None = None) -> Json:
    """Give a run, in the experiment of that id. `status`, if given, is more than the lines know."""
    run_id = mlflow_run_id(one.run_id)
    parent = None if one.parent is None else mlflow_run_id(one.parent)
    tags = one.all_tags(parent)
    info: Json = {
        "run_id": run_id,
        "run_uuid": run_id,
        "run_name": one.name or one.run_id,
        "experiment_id": experiment,
        "user_id": tags.get("mlflow.user", ""),
        "status": status or one.status,
        "start_time": (one.began_ns or 0) // NS_PER_MS,
        "artifact_uri": artifact_uri,
        "lifecycle_stage": "active",
    }
    if one.ended_ns is not None:
        info["end_time"] = one.ended_ns // NS_PER_MS
    return {
        "info": info,
        "data": {
            "metrics": [metric_json(each) for each in one.metrics.values()],
            "params": pairs(one.params),
            "tags": pairs(tags),
        },
        "inputs": {"dataset_inputs": [_input(each) for each in one.inputs.values()]},
    }


def metric_json(one: Metric) -> Json:
    """Give a value of a metric."""
    return {"key": one.key, "value": number(one.value), "timestamp": one.timestamp, "step": one.step}


def experiment_json(experiment: str, name: str, artifact_location: str) -> Json:
    """Give an experiment."""
    return {
        "experiment_id": experiment,
        "name": name,
        "artifact_location": artifact_location,
        "lifecycle_stage": "active",
    }


def number(value: float) -> float | str:
    """A number, also if JSON does not have it."""
    if value - value == 0:
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def pairs(found: Mapping[str, str]) -> list[Json]:
    """Texts by their keys, as a list."""
    return [{"key": key, "value": value} for key, value in found.items()]


def _input(found: Json) -> Json:
    tags = found.get("tags")
    return {
        "tags": pairs(tags) if isinstance(tags, dict) else [],
        "dataset": {name: str(found[name]) for name in MEMBERS if found.get(name) is not None},
    }
