"""Answers in JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ranklog.mlflow_api.runs import number, pairs
from ranklog_collector.mlflow.run import ACTIVE, Dataset, Run

Json = dict[str, Any]
PROXIED = "mlflow-artifacts:"
"""Artifacts that come and go through the collector."""


@dataclass(slots=True)
class Experiment:
    """An experiment; times are in ms."""

    experiment_id: int
    name: str
    folder: str
    """Below the root."""
    artifact_location: str
    creation_time: int
    last_update_time: int
    lifecycle_stage: str = ACTIVE
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        """Whether it has not been deleted."""
        return self.lifecycle_stage == ACTIVE


def experiment(one: Experiment) -> Json:
    """An experiment."""
    return {
        "experiment_id": str(one.experiment_id),
        "name": one.name,
        "artifact_location": one.artifact_location,
        "lifecycle_stage": one.lifecycle_stage,
        "last_update_time": one.last_update_time,
        "creation_time": one.creation_time,
        "tags": pairs(one.tags),
    }


def run_info(one: Run) -> Json:
    """What a run has one of each."""
    info = one.info
    shape = {
        "run_id": info.run_id,
        "run_uuid": info.run_id,
        "run_name": info.name,
        "experiment_id": str(info.experiment_id),
        "user_id": info.user_id,
        "status": info.status,
        "start_time": info.start_time,
        "artifact_uri": info.artifact_uri,
        "lifecycle_stage": info.lifecycle_stage,
    }
    if info.end_time is not None:
        shape["end_time"] = info.end_time
    return shape


def run(one: Run) -> Json:
    """A run with the latest value of each metric."""
    models = one.models
    return {
        "info": run_info(one),
        "data": {
            "metrics": [
                {"key": key, "value": number(value), "timestamp": timestamp, "step": step}
                for key, (step, timestamp, value) in one.metrics.items()
            ],
            "params": pairs(one.params),
            "tags": pairs(one.tags),
        },
        "inputs": {
            "dataset_inputs": [_dataset_input(dataset) for dataset in one.datasets.values()],
            "model_inputs": [{"model_id": model_id} for model_id in models["inputs"]],
        },
        "outputs": {
            "model_outputs": [{"model_id": model_id, "step": step} for model_id, step in models["outputs"].items()]
        },
    }


def _dataset_input(one: Dataset) -> Json:
    dataset = {
        "name": one.name,
        "digest": one.digest,
        "source_type": one.source_type,
        "source": one.source,
        "schema": one.schema,
        "profile": one.profile,
    }
    return {"tags": pairs(one.tags), "dataset": {name: value for name, value in dataset.items() if value}}
