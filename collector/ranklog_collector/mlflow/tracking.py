"""The tracking server: what calls work with, and which call a request is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ranklog.mlflow_api.fields import Json
from ranklog_collector.mlflow import artifact_calls, experiment_calls, history_calls, model_calls, run_calls
from ranklog_collector.mlflow.model_store import ModelStore
from ranklog_collector.mlflow.runs import Runs

if TYPE_CHECKING:
    from ranklog_collector.mlflow.history import Histories

PREFIXES = ("/api/", "/ajax-api/")
Handler = Callable[["Tracking", Json], Awaitable[Any]]


class Tracking:
    """The runs below `root`. To be used on one event loop."""

    def __init__(self, root: str, catalog_url: str | None) -> None:
        self.root = root
        self.runs = Runs(root, catalog_url)
        self._models: ModelStore | None = None
        # What computes takes a while to load, and is wanted soon.
        self._histories = asyncio.create_task(asyncio.to_thread(_load_histories))

    async def models(self) -> ModelStore:
        """The models that clients have logged; they are looked for when the first one is asked for."""
        if self._models is None:
            found = await asyncio.to_thread(ModelStore, self.root)
            self._models = self._models or found
        return self._models

    async def histories(self) -> Histories:
        """Values of metrics."""
        return await asyncio.shield(self._histories)


def _load_histories() -> Histories:
    from ranklog_collector.mlflow.history import Histories

    return Histories()


@dataclass(frozen=True, slots=True)
class Call:
    """A call, and which members of its query string are lists."""

    handler: Handler
    lists: frozenset[str] = frozenset()


def _calls() -> dict[tuple[str, str], Call]:
    runs, experiments, histories, models = run_calls, experiment_calls, history_calls, model_calls
    posted: dict[str, Handler] = {
        "experiments/create": experiments.create,
        "experiments/search": experiments.search,
        "experiments/update": experiments.update,
        "experiments/delete": experiments.delete,
        "experiments/restore": experiments.restore,
        "experiments/set-experiment-tag": experiments.set_tag,
        "experiments/delete-experiment-tag": experiments.delete_tag,
        "experiments/search-datasets": experiments.search_datasets,
        "runs/create": runs.create,
        "runs/update": runs.update,
        "runs/search": runs.search,
        "runs/delete": runs.delete,
        "runs/restore": runs.restore,
        "runs/log-metric": runs.log_metric,
        "runs/log-batch": runs.log_batch,
        "runs/log-parameter": runs.log_parameter,
        "runs/set-tag": runs.set_tag,
        "runs/delete-tag": runs.delete_tag,
        "runs/log-inputs": runs.log_inputs,
        "runs/log-model": runs.log_model,
        "runs/outputs": models.log_outputs,
        "logged-models": models.create,
        "logged-models/search": models.search,
    }
    found = {("POST", f"2.0/mlflow/{path}"): Call(handler) for path, handler in posted.items()}
    gotten = {
        "experiments/get": Call(experiments.get),
        "experiments/get-by-name": Call(experiments.get_by_name),
        "experiments/search": Call(experiments.search, frozenset({"order_by"})),
        "runs/get": Call(runs.get),
        "metrics/get-history": Call(histories.get_history),
        "metrics/get-history-bulk": Call(histories.get_bulk, frozenset({"run_id"})),
        "metrics/get-history-bulk-interval": Call(histories.get_interval, frozenset({"run_ids"})),
        "artifacts/list": Call(artifact_calls.list_of_run),
    }
    found |= {("GET", f"2.0/mlflow/{path}"): call for path, call in gotten.items()}
    found["GET", "2.0/mlflow-artifacts/artifacts"] = Call(artifact_calls.list_proxied)
    found["GET", "3.0/mlflow/server-info"] = Call(models.server_info)
    return found


CALLS = _calls()
