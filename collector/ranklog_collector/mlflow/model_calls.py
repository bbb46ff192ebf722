"""Calls about models that clients log, which `log_model` and `autolog` make."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from ranklog.mlflow_api import fields, limits, paging
from ranklog.mlflow_api.errors import invalid
from ranklog.mlflow_api.fields import Json
from ranklog.mlflow_api.lines import NS_PER_MS
from ranklog.mlflow_api.metrics import Logged
from ranklog.mlflow_api.runs import number
from ranklog_collector.mlflow import artifact_calls, artifacts, filters, models, names
from ranklog_collector.mlflow.artifact_calls import File
from ranklog_collector.mlflow.models import Model

if TYPE_CHECKING:
    from ranklog_collector.mlflow.tracking import Tracking

_RESULTS, _RESULTS_MAX = 100, 50_000


async def create(tracking: Tracking, request: Json) -> Json:
    """Make a model, whose files are to come."""
    experiments = await tracking.runs.experiments()
    experiment = experiments.get_active(fields.text(request, "experiment_id"))
    model_id = f"m-{uuid.uuid4().hex}"
    source = fields.any_text(request, "source_run_id")
    run = await tracking.runs.find(source) if source else None
    one = Model(
        model_id,
        experiment.experiment_id,
        models.check_name(fields.any_text(request, "name") or names.run_name(model_id)),
        experiments.artifact_uri(experiment, f"models/{model_id}"),
        fields.any_text(request, "model_type"),
        source,
        _now(),
    )
    line = {
        "t": _now(),
        "params": fields.pairs(request, "params", limits.param),
        "tags": fields.pairs(request, "tags", limits.tag),
    }
    (await tracking.models()).add(one, None if run is None else run.info.folder, line)
    return {"model": models.shape(one)}


async def search(tracking: Tracking, request: Json) -> Json:
    """Find models."""
    most = limits.check_results(fields.integer(request, "max_results", _RESULTS), _RESULTS_MAX)
    clauses = filters.parse(fields.any_text(request, "filter"), filters.MODELS)
    offset = paging.offset(fields.any_text(request, "page_token"))
    datasets = fields.objects(request, "datasets")
    ids = set((await tracking.runs.experiments()).known(fields.texts(request, "experiment_ids")))
    found = [
        one
        for one in await tracking.models()
        if one.experiment_id in ids
        and models.knows(one, datasets)
        and all(models.matches(one, clause, datasets) for clause in clauses)
    ]
    page = models.ordered(found, fields.objects(request, "order_by"))[offset:]
    answer: Json = {"models": [models.shape(one) for one in page[:most]]} if page else {}
    if len(page) > most:
        answer["next_page_token"] = paging.token(offset + most)
    return answer


async def log_outputs(tracking: Tracking, request: Json) -> Json:
    """Say which models a run has made."""
    run = await tracking.runs.get_active(fields.run_id(request))
    made = {
        fields.text(one, "model_id", f"models[{index}].model_id"): fields.integer(one, "step", 0)
        for index, one in enumerate(fields.objects(request, "models"))
    }
    if made:
        tracking.runs.append(run, [{"t": time.time_ns(), "models": {"outputs": made}}])
        run.add_models([], made)
    return {}


async def log_to_models(tracking: Tracking, run_id: str, asked: list[Json], metrics: list[Logged]) -> None:
    """Let models have those of a run's metrics that are also about them."""
    store = await tracking.models()
    of_models: dict[str, list[Json]] = {}
    for request, (key, value, timestamp, step) in zip(asked, metrics, strict=True):
        model_id = fields.any_text(request, "model_id")
        if model_id:
            about = {name: fields.any_text(request, name) for name in ("dataset_name", "dataset_digest")}
            point = {"key": key, "value": number(value), "timestamp": timestamp, "step": step}
            of_models.setdefault(model_id, []).append({**point, **about, "model_id": model_id, "run_id": run_id})
    for model_id, points in of_models.items():
        model = store.find(model_id)
        if model is not None:
            store.append(model, {"t": _now(), "metrics": points})


async def of_model(tracking: Tracking, method: str, path: str, request: Json) -> Json | None:
    """Answer a request about one model: `path` is its id and what follows; None if there is no such call."""
    model_id, _, rest = path.partition("/")
    store = await tracking.models()
    one = store.get(model_id)
    if (method, rest) == ("PATCH", ""):
        status = models.STATUSES.get(request.get("status"))
        if status is None:
            raise fields.invalid_value("status", request.get("status"))
        store.append(one, {"t": _now(), "status": status})
    elif (method, rest) == ("DELETE", ""):
        store.append(one, {"t": _now(), "deleted": True})
        return {}
    elif (method, rest) == ("PATCH", "tags"):
        store.append(one, {"t": _now(), "tags": fields.pairs(request, "tags", limits.tag)})
    elif method == "DELETE" and rest.startswith("tags/"):
        key = rest.removeprefix("tags/")
        if key not in one.tags:
            raise invalid(f"No tag with key {key!r} found for model with ID {model_id!r}.")
        store.append(one, {"t": _now(), "tags": {key: None}})
        return {}
    elif (method, rest) == ("POST", "params"):
        params = fields.pairs(request, "params", limits.param)
        changed = [key for key, value in params.items() if one.params.get(key, value) != value]
        if changed:
            raise invalid(f"Changing param values is not allowed. Params {changed} of model {model_id!r} are known.")
        store.append(one, {"t": _now(), "params": params})
        return {}
    elif (method, rest) == ("GET", "artifacts/directories"):
        return await _list(tracking, one, fields.any_text(request, "artifact_directory_path"))
    elif (method, rest) != ("GET", ""):
        return None
    return {"model": models.shape(one)}


async def server_info(tracking: Tracking, request: Json) -> Json:
    """Tell what the server can do."""
    return {"store_type": "SqlStore", "multipart_uploads_enabled": False, "multipart_downloads_enabled": False}


async def download(tracking: Tracking, model_id: str, path: str) -> File:
    """Give a file of a model."""
    one = (await tracking.models()).get(model_id)
    return await artifact_calls.download(tracking, f"{one.experiment_id}/models/{model_id}/artifacts/{path}")


async def _list(tracking: Tracking, one: Model, path: str) -> Json:
    parts = artifacts.parts_of(path)
    where = await artifact_calls.place(tracking, f"{one.experiment_id}/models/{one.model_id}/artifacts/{path}")
    found = artifacts.listed(where.base, where.parts)
    return {
        "root_uri": one.artifact_uri,
        "files": [artifact_calls.entry_shape(each, "/".join([*parts, each.name])) for each in found],
    }


def _now() -> int:
    return time.time_ns() // NS_PER_MS
