"""A run as MLflow has it, in memory: what is known of it, and what of that the catalog does not know yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ranklog.mlflow_api.metrics import Logged
from ranklog.run.family_names import files_prefix

OUTPUTS = "outputs"
ACTIVE, DELETED = "active", "deleted"
MODELS_TAG = "mlflow.log-model.history"
CONTEXT_TAG = "mlflow.data.context"

Point = tuple[int, int, float]
"""Step, timestamp in ms, and value: the largest one is the latest."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that a run uses."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def context(self) -> str | None:
        """What it is used for."""
        return self.tags.get(CONTEXT_TAG)


@dataclass(slots=True)
class Info:
    """What a run has one of each."""

    run_id: str
    experiment_id: int
    folder: str
    """Of the run, below the root."""
    name: str
    start_time: int
    """In ms, as all times here."""
    user_id: str = ""
    status: str = "RUNNING"
    end_time: int | None = None
    lifecycle_stage: str = ACTIVE
    artifact_uri: str = ""
    is_owned: bool = False
    """Whether a collector keeps the folder: others write there, too, and a launcher says how the run is."""
    child: str = ""
    """Of a child run of the run that the folder is of: what it is called there. How it is, clients say."""
    models: str = ""
    """The models that it was given and that it made, as JSON; empty if there are none."""
    seen: str = ""
    """How far its folder had grown when all this was known."""


@dataclass(slots=True)
class Changes:
    """What the catalog does not know yet."""

    info: bool = False
    params: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    datasets: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.info or self.params or self.tags or self.metrics or self.datasets)


@dataclass(slots=True)
class Run:
    """All of it."""

    info: Info
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Point] = field(default_factory=dict)
    """The latest value of each."""
    datasets: dict[tuple[str, str], Dataset] = field(default_factory=dict)
    """By name and digest."""
    changes: Changes = field(default_factory=Changes)

    @property
    def is_active(self) -> bool:
        """Whether it has not been deleted."""
        return self.info.lifecycle_stage == ACTIVE

    def add_metrics(self, metrics: Iterable[Logged]) -> None:
        """Take in values."""
        known, changed = self.metrics, self.changes.metrics
        for key, value, timestamp, step in metrics:
            before = known.get(key)
            if before is None or (step, timestamp, value) > before:
                known[key] = (step, timestamp, value)
                changed.add(key)

    def add_params(self, params: Mapping[str, str]) -> None:
        """Take in parameters; one that is known stays as it is."""
        for key, value in params.items():
            if key not in self.params:
                self.params[key] = value
                self.changes.params.add(key)

    def set_tags(self, tags: Mapping[str, str | None]) -> None:
        """Take in tags; None removes one."""
        for key, value in tags.items():
            if value is None:
                self.tags.pop(key, None)
            else:
                self.tags[key] = value
            self.changes.tags.add(key)

    def set_info(self, **values: Any) -> None:
        """Replace some of what there is one of each."""
        for name, value in values.items():
            setattr(self.info, name, value)
        self.changes.info = True

    def add_datasets(self, datasets: Iterable[Dataset]) -> None:
        """Take in datasets; one that is known stays as it is."""
        for one in datasets:
            if (one.name, one.digest) not in self.datasets:
                self.datasets[one.name, one.digest] = one
                self.changes.datasets = True

    def add_models(self, inputs: Iterable[str], outputs: Mapping[str, int]) -> None:
        """Take in ids of models that the run was given, and of those that it made, each at a step."""
        known = self.models
        for model_id in inputs:
            known["inputs"].setdefault(model_id, 0)
        known["outputs"] |= outputs
        self.set_info(models=orjson.dumps(known).decode())

    @property
    def models(self) -> dict[str, dict[str, int]]:
        """Ids of models, `inputs` and `outputs`, and the step of each."""
        return orjson.loads(self.info.models) if self.info.models else {"inputs": {}, "outputs": {}}

    @property
    def artifacts(self) -> str:
        """Where in the folder its artifacts are."""
        return f"{files_prefix(self.info.child or None)}{OUTPUTS}"

    def replace(self, other: Run) -> None:
        """Become what somebody else has found out about the same run."""
        changes = self.changes
        changes.info = changes.datasets = True
        changes.params |= self.params.keys() | other.params.keys()
        changes.tags |= self.tags.keys() | other.tags.keys()
        changes.metrics |= self.metrics.keys() | other.metrics.keys()
        self.info, self.params, self.tags = other.info, other.params, other.tags
        self.metrics, self.datasets = other.metrics, other.datasets
