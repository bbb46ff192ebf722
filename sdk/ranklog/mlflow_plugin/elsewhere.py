"""Runs that are read from a folder, by what reads run folders; of a collector's runs MLflow's own client tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ranklog.errors import RunNotFoundError
from ranklog.mlflow_api.ids import mlflow_run_id
from ranklog.mlflow_api.known import Known
from ranklog.mlflow_api.lines import NS_PER_MS
from ranklog.mlflow_api.metrics import Metric
from ranklog.run.family_names import CHILD
from ranklog.source.protocol import Json, Source


def find(source: Source, mlflow_id: str) -> tuple[Known, str] | None:
    """Give a run by MLflow's id, and its experiment; None if there is none. Raises UnreachableError."""
    try:
        facts = source.run(mlflow_id)
        if mlflow_run_id(facts["run_id"]) == mlflow_id:
            return _known(source, facts), facts["experiment"]
    except RunNotFoundError:
        pass
    return next((each for each in _all(source, None) if mlflow_run_id(each[0].run_id) == mlflow_id), None)


def runs(source: Source, experiment: str) -> list[Known]:
    """Give the runs of an experiment, and their child runs. Raises UnreachableError."""
    return [known for known, _ in _all(source, experiment)]


def history(source: Source, run_id: str, key: str) -> list[Metric]:
    """Give all numbers of a metric in MLflow's order, each once. Raises UnreachableError."""
    found = set(_metrics(source.records(run_id, key)))
    return sorted(found, key=lambda one: (one.timestamp, one.step, one.value))


def _all(source: Source, experiment: str | None) -> Iterator[tuple[Known, str]]:
    for row in source.runs(experiment):
        facts = source.run(row["run_id"])
        yield _known(source, facts), facts["experiment"]
        yield from _children(source, facts)


def _children(source: Source, facts: Json) -> Iterator[tuple[Known, str]]:
    for child in facts.get("children") or []:
        below = source.run(child["run_id"])
        yield _known(source, below), facts["experiment"]
        yield from _children(source, below)


def _known(source: Source, facts: Json) -> Known:
    run_id = str(facts["run_id"])
    known = Known(
        run_id,
        parent=run_id.rpartition(".")[0] if CHILD.fullmatch(run_id) else None,
        params=dict(facts.get("params") or {}),
        tags={name: value or "" for name, value in (facts.get("tags") or {}).items()},
        name=facts.get("display_name"),
        state=str(facts["state"]),
        began_ns=_ns(facts.get("started")),
        ended_ns=_ns(facts.get("ended")),
    )
    for one in _metrics(source.records(run_id)):
        known.take_metric(one)
    return known


def _metrics(records: list[Json]) -> Iterator[Metric]:
    ordinals: dict[tuple[Any, str], int] = {}
    for record in records:
        who = record["process"], record["key"]
        ordinal = ordinals[who] = ordinals.get(who, -1) + 1
        value, step = record["value"], record["step"]
        if record["kind"] == "scalar" and isinstance(value, bool | int | float):
            yield Metric(record["key"], float(value), record["time_ns"] // NS_PER_MS, ordinal if step is None else step)


def _ns(moment: str | None) -> int | None:
    if moment is None:
        return None
    # Before Python 3.11, fromisoformat takes microseconds at most, and no Z.
    return round(datetime.fromisoformat(moment[:26].removesuffix("Z") + "+00:00").timestamp() * 10**9)
