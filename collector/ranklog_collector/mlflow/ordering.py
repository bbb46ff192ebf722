"""What searches are ordered by. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ranklog.mlflow_api.errors import invalid
from ranklog_collector.mlflow.filters import ATTRIBUTE, DATASET, EXPERIMENTS, RUNS, identifier

_CLAUSE = re.compile(r"\s*(?P<key>.+?)(?:\s+(?P<way>asc|desc))?\s*", re.IGNORECASE | re.DOTALL)
_ORDERABLE = frozenset({"start_time", "end_time", "status", "run_name", "user_id", "artifact_uri", "run_id"})


@dataclass(frozen=True, slots=True)
class Order:
    """One thing that is ordered by."""

    entity: str
    key: str
    is_ascending: bool


def of_runs(clauses: list[str]) -> list[Order]:
    """Read what runs are ordered by; by default the latest start comes first. Raises MlflowError."""
    found: list[Order] = []
    for clause in clauses:
        text, is_ascending = _read(clause)
        entity, key = identifier(text, RUNS)
        if entity == DATASET:
            raise invalid(f"Invalid order_by entity: {clause!r}: runs are not ordered by datasets")
        if entity == ATTRIBUTE and key not in _ORDERABLE:
            raise invalid(f"Invalid attribute key '{key}' specified. Valid keys are '{sorted(_ORDERABLE)}'")
        if any((one.entity, one.key) == (entity, key) for one in found):
            raise invalid(f"`order_by` contains duplicate fields: {clauses}")
        found.append(Order(entity, key, is_ascending))
    if all((one.entity, one.key) != (ATTRIBUTE, "start_time") for one in found):
        found.append(Order(ATTRIBUTE, "start_time", is_ascending=False))
    return [*found, Order(ATTRIBUTE, "run_id", is_ascending=True)]


def of_experiments(clauses: list[str]) -> list[Order]:
    """Read what experiments are ordered by; by default the latest comes first. Raises MlflowError."""
    found: list[Order] = []
    for clause in clauses:
        text, is_ascending = _read(clause)
        entity, key = identifier(text, EXPERIMENTS)
        if entity != ATTRIBUTE:
            raise invalid(f"Invalid order_by entity: {clause!r}: experiments are ordered by attributes")
        if all(one.key != key for one in found):
            found.append(Order(entity, key, is_ascending))
    if not found:
        found = [Order(ATTRIBUTE, "creation_time", is_ascending=False)]
    if all(one.key != "experiment_id" for one in found):
        found.append(Order(ATTRIBUTE, "experiment_id", is_ascending=False))
    return found


def _read(clause: str) -> tuple[str, bool]:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        raise invalid(f"Invalid order_by clause '{clause}'. Could not be parsed.")
    return found["key"], (found["way"] or "asc").lower() == "asc"
