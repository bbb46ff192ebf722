"""Calls about runs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from ranklog.mlflow_api import fields, limits, lines, paging
from ranklog.mlflow_api.datasets import datasets
from ranklog.mlflow_api.errors import MISSING, MlflowError, invalid
from ranklog.mlflow_api.fields import Json
from ranklog.mlflow_api.metrics import metric, metrics
from ranklog.mlflow_api.statuses import ENDS, STATES
from ranklog_collector.mlflow import filters, names, ordering, shapes
from ranklog_collector.mlflow.model_calls import log_to_models
from ranklog_collector.mlflow.run import ACTIVE, DELETED, MODELS_TAG, Dataset, Info, Run

if TYPE_CHECKING:
    from ranklog_collector.mlflow.tracking import Tracking

_STAGES: dict[Any, tuple[str, ...]] = {
    "ACTIVE_ONLY": (ACTIVE,),
    "DELETED_ONLY": (DELETED,),
    "ALL": (ACTIVE, DELETED),
    1: (ACTIVE,),
    2: (DELETED,),
    3: (ACTIVE, DELETED),
}
_STATUS_NUMBERS: dict[Any, str] = dict(enumerate(STATES, 1))


async def create(tracking: Tracking, request: Json) -> Json:
    """Make a run."""
    experiments = await tracking.runs.experiments()
    experiment = experiments.get_active(fields.any_text(request, "experiment_id") or str(names.DEFAULT_ID))
    tags = fields.pairs(request, "tags", limits.tag)
    name = fields.any_text(request, "run_name") or fields.any_text(request, "name")
    if name and tags.get(lines.NAME_TAG, name) != name:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{name}', mlflow.runName='{tags[lines.NAME_TAG]}')."
        )
    run_id = uuid.uuid4().hex
    now_ns = time.time_ns()
    start_time = fields.integer(request, "start_time", now_ns // lines.NS_PER_MS)
    name = name or tags.get(lines.NAME_TAG) or names.run_name(run_id)
    uri = experiments.artifact_uri(experiment, run_id)
    folder = f"{experiment.folder}/{run_id}"
    user = fields.any_text(request, "user_id")
    run = Run(Info(run_id, experiment.experiment_id, folder, name, start_time, user, artifact_uri=uri))
    run.set_tags({**tags, lines.NAME_TAG: name})
    run.set_info()
    told = {"display_name": name, "user": user}
    if not uri.startswith(shapes.PROXIED):
        told["artifact_uri"] = uri
    content = lines.dump(lines.of_facts(now_ns, {}, run.tags, told))
    tracking.runs.folders.make_run(folder, run_id, lines.moment_ns(start_time, now_ns), content)
    tracking.runs.add(run)
    return {"run": shapes.run(run)}


async def get(tracking: Tracking, request: Json) -> Json:
    """Tell all about a run."""
    return {"run": shapes.run(await tracking.runs.get(fields.run_id(request)))}


async def update(tracking: Tracking, request: Json) -> Json:
    """Say how a run is, or call it something else. How a job's run is, its launcher says."""
    run = await tracking.runs.get_active(fields.run_id(request))
    status = request.get("status")
    status = _STATUS_NUMBERS.get(status, status) if type(status) in (str, int) else None
    end_time = None if request.get("end_time") is None else fields.integer(request, "end_time")
    name = fields.any_text(request, "run_name")
    now_ns = time.time_ns()
    if run.info.child and status in STATES:
        moment_ns = lines.moment_ns(end_time, now_ns)
        tracking.runs.append(run, [{"t": moment_ns, "status": STATES[status]}])
        run.set_info(status=status, end_time=moment_ns // lines.NS_PER_MS if STATES[status] in ENDS else None)
    elif not run.info.is_owned and (status in STATES or end_time is not None):
        new = status if status in STATES else run.info.status
        with tracking.runs.held(run):
            tracking.runs.folders.tell_state(run.info.folder, new, lines.moment_ns(end_time, now_ns))
            run.set_info(status=new, end_time=run.info.end_time if end_time is None else end_time)
    if name:
        tracking.runs.append(run, lines.of_facts(now_ns, {}, {lines.NAME_TAG: name}, {"display_name": name}))
        run.set_tags({lines.NAME_TAG: name})
        run.set_info(name=name)
    return {"run_info": shapes.run_info(run)}


async def delete(tracking: Tracking, request: Json) -> Json:
    """Leave a run out of searches from now on."""
    return await _set_stage(tracking, await tracking.runs.get(fields.run_id(request)), DELETED)


async def restore(tracking: Tracking, request: Json) -> Json:
    """Have a deleted run in searches again."""
    return await _set_stage(tracking, await tracking.runs.get(fields.run_id(request)), ACTIVE)


async def _set_stage(tracking: Tracking, run: Run, stage: str) -> Json:
    if run.info.lifecycle_stage != stage:
        tracking.runs.append(run, lines.of_facts(time.time_ns(), {}, {}, {"lifecycle_stage": stage}))
        run.set_info(lifecycle_stage=stage)
    return {}


async def set_stage_of_all(tracking: Tracking, experiment_id: int, stage: str) -> None:
    """Delete or restore all runs of an experiment."""
    former = ACTIVE if stage == DELETED else DELETED
    order = ordering.of_runs([])
    catalog = (await tracking.runs.experiments()).catalog
    while True:
        await tracking.runs.flush()
        found = await tracking.runs.call(
            catalog.search_runs, [experiment_id], [former], [], order, 0, limits.SEARCH_RESULTS
        )
        for one in found:
            await _set_stage(tracking, await tracking.runs.get(one.info.run_id), stage)
        if len(found) < limits.SEARCH_RESULTS:
            return


async def search(tracking: Tracking, request: Json) -> Json:
    """Find runs."""
    most = limits.check_results(
        fields.integer(request, "max_results", limits.SEARCH_RESULTS), limits.SEARCH_RESULTS_MAX
    )
    clauses = filters.parse(fields.any_text(request, "filter"), filters.RUNS)
    order = ordering.of_runs(fields.texts(request, "order_by"))
    offset = paging.offset(fields.any_text(request, "page_token"))
    stages = view(request.get("run_view_type"), "run_view_type")
    experiments = await tracking.runs.experiments()
    ids = experiments.known(fields.texts(request, "experiment_ids"))
    tracking.runs.settle()
    await tracking.runs.flush()
    found: list[Run] = []
    if ids:
        found = await tracking.runs.call(experiments.catalog.search_runs, ids, stages, clauses, order, offset, most + 1)
    answer: Json = {"runs": [shapes.run(one) for one in found[:most]]} if found else {}
    if len(found) > most:
        answer["next_page_token"] = paging.token(offset + most)
    return answer


def view(value: Any, path: str) -> Sequence[str]:
    """Which of the active and the deleted ones are meant."""
    if value is None:
        return _STAGES["ACTIVE_ONLY"]
    if type(value) not in (str, int) or value not in _STAGES:
        raise fields.invalid_value(path, value)
    return _STAGES[value]


# ---- logging --------------------------------------------------------------------------------------------------------


async def log_metric(tracking: Tracking, request: Json) -> Json:
    """Add one value."""
    run_id = fields.run_id(request)
    added = [metric(request)]
    run = await tracking.runs.get_active(run_id)
    tracking.runs.append(run, lines.of_metrics(added))
    run.add_metrics(added)
    if request.get("model_id"):
        await log_to_models(tracking, run_id, [request], added)
    return {}


async def log_batch(tracking: Tracking, request: Json) -> Json:
    """Add metrics, parameters and tags: all of them, or none."""
    run_id = fields.run_id(request)
    listed = fields.listed(request, "metrics")
    params, tags = fields.objects(request, "params"), fields.objects(request, "tags")
    limits.check_batch(len(listed), len(params), len(tags))
    added = metrics(listed)
    new_params = fields.pairs(request, "params", limits.param)
    limits.check_unique([one["key"] for one in params])
    new_tags = fields.pairs(request, "tags", limits.tag)
    run = await tracking.runs.get_active(run_id)
    limits.check_params(new_params, run.params, run_id)
    said = lines.of_facts(time.time_ns(), new_params, new_tags, _naming(new_tags))
    tracking.runs.append(run, lines.of_metrics(added) + said if added else said)
    run.add_metrics(added)
    run.add_params(new_params)
    _take_tags(run, new_tags)
    if any(one.get("model_id") for one in listed):
        await log_to_models(tracking, run_id, listed, added)
    return {}


async def log_parameter(tracking: Tracking, request: Json) -> Json:
    """Add one parameter."""
    run_id = fields.run_id(request)
    params = fields.pair(request, limits.param)
    run = await tracking.runs.get_active(run_id)
    limits.check_params(params, run.params, run_id)
    if params.keys() - run.params.keys():
        tracking.runs.append(run, lines.of_facts(time.time_ns(), params, {}))
        run.add_params(params)
    return {}


async def set_tag(tracking: Tracking, request: Json) -> Json:
    """Set one tag."""
    run_id = fields.run_id(request)
    tags = fields.pair(request, limits.tag)
    run = await tracking.runs.get_active(run_id)
    tracking.runs.append(run, lines.of_facts(time.time_ns(), {}, tags, _naming(tags)))
    _take_tags(run, tags)
    return {}


async def delete_tag(tracking: Tracking, request: Json) -> Json:
    """Remove one tag."""
    run_id = fields.run_id(request)
    key = fields.text(request, "key")
    run = await tracking.runs.get_active(run_id)
    if key not in run.tags:
        raise MlflowError(MISSING, f"No tag with name: {key} in run with id {run_id}")
    tracking.runs.append(run, lines.of_facts(time.time_ns(), {}, {key: None}))
    run.set_tags({key: None})
    return {}


async def log_model(tracking: Tracking, request: Json) -> Json:
    """Say that a model is among a run's artifacts, as clients before MLflow 3 do."""
    run_id = fields.run_id(request)
    try:
        model = orjson.loads(fields.text(request, "model_json"))
        history = [*orjson.loads((await tracking.runs.get(run_id)).tags.get(MODELS_TAG, "[]")), model]
    except (orjson.JSONDecodeError, TypeError) as error:
        raise invalid(f"Malformed model info. {error}") from None
    run = await tracking.runs.get_active(run_id)
    tags = {MODELS_TAG: orjson.dumps(history).decode()}
    tracking.runs.append(run, lines.of_facts(time.time_ns(), {}, tags))
    run.set_tags(tags)
    return {}


async def log_inputs(tracking: Tracking, request: Json) -> Json:
    """Add datasets."""
    run_id = fields.run_id(request)
    asked = [Dataset(**one) for one in datasets(request)]
    models = [
        fields.text(one, "model_id", f"models[{index}].model_id")
        for index, one in enumerate(fields.objects(request, "models"))
    ]
    run = await tracking.runs.get_active(run_id)
    catalog = (await tracking.runs.experiments()).catalog
    added: dict[tuple[str, str], Dataset] = {}
    await tracking.runs.flush()
    for one in asked:
        key = (one.name, one.digest)
        if key in run.datasets or key in added:
            continue
        known = await tracking.runs.call(catalog.dataset, run.info.experiment_id, *key)
        added[key] = (
            one
            if known is None
            else Dataset(*key, known.source_type, known.source, known.schema, known.profile, one.tags)
        )
    if added:
        tracking.runs.append(run, [{"t": time.time_ns(), "inputs": [asdict(one) for one in added.values()]}])
        run.add_datasets(added.values())
    if models:
        tracking.runs.append(run, [{"t": time.time_ns(), "models": {"inputs": models}}])
        run.add_models(models, {})
    return {}


def _naming(tags: dict[str, str]) -> dict[str, str] | None:
    """A tag names a run, too."""
    return {"display_name": tags[lines.NAME_TAG]} if tags.get(lines.NAME_TAG) else None


def _take_tags(run: Run, tags: dict[str, str]) -> None:
    run.set_tags(tags)
    if tags.get(lines.NAME_TAG):
        run.set_info(name=tags[lines.NAME_TAG])
