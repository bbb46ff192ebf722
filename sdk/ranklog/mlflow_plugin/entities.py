"""What is known of runs as MLflow's own objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunTag,
)

from ranklog.mlflow_api import metrics as logged
from ranklog.mlflow_api.datasets import MEMBERS
from ranklog.mlflow_api.ids import DEFAULT_NAME, DEFAULT_NAMES, experiment_id, mlflow_run_id
from ranklog.mlflow_api.known import Known
from ranklog.mlflow_api.lines import NS_PER_MS


def run(one: Known, experiment: str, artifact_uri: str) -> Run:
    """Give a run of an experiment."""
    tags = one.all_tags(None if one.parent is None else mlflow_run_id(one.parent))
    return Run(
        RunInfo(
            run_id=mlflow_run_id(one.run_id),
            experiment_id=experiment_id(experiment),
            user_id=tags.get("mlflow.user", ""),
            status=one.status,
            start_time=(one.began_ns or 0) // NS_PER_MS,
            end_time=None if one.ended_ns is None else one.ended_ns // NS_PER_MS,
            lifecycle_stage=LifecycleStage.ACTIVE,
            artifact_uri=artifact_uri,
            run_name=one.name or one.run_id,
        ),
        RunData(
            metrics=metrics(one.metrics.values()),
            params=[Param(key, value) for key, value in one.params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        ),
        RunInputs([_input(each) for each in one.inputs.values()]),
    )


def metrics(found: Iterable[logged.Metric]) -> list[Metric]:
    """Give values of metrics."""
    return [Metric(each.key, each.value, each.timestamp, each.step) for each in found]


def experiment(name: str, artifact_location: str) -> Experiment:
    """Give an experiment."""
    shown = DEFAULT_NAME if name in DEFAULT_NAMES else name
    return Experiment(experiment_id(name), shown, artifact_location, LifecycleStage.ACTIVE)


def metric_fields(found: Metric) -> dict[str, Any]:
    """Give a value of a metric as a request has it."""
    return {"key": found.key, "value": found.value, "timestamp": found.timestamp, "step": found.step}


def pairs(found: Iterable[Param | RunTag]) -> list[dict[str, str]]:
    """Give parameters or tags as a request has them; their values may be of any type."""
    return [{"key": each.key, "value": "" if each.value is None else str(each.value)} for each in found]


def dataset_fields(found: DatasetInput) -> dict[str, Any]:
    """Give a dataset as a request has it."""
    return {"tags": pairs(found.tags), "dataset": {name: getattr(found.dataset, name) for name in MEMBERS}}


def _input(found: Mapping[str, Any]) -> DatasetInput:
    tags = found.get("tags")
    return DatasetInput(
        Dataset(**{name: found.get(name) for name in MEMBERS}),
        [InputTag(key, value) for key, value in tags.items()] if isinstance(tags, dict) else [],
    )
