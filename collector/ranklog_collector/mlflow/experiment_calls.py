"""Calls about experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ranklog.mlflow_api import fields, limits, paging
from ranklog.mlflow_api.errors import invalid
from ranklog.mlflow_api.fields import Json
from ranklog_collector.mlflow import filters, ordering, shapes
from ranklog_collector.mlflow.run import ACTIVE, DELETED
from ranklog_collector.mlflow.run_calls import set_stage_of_all, view

if TYPE_CHECKING:
    from ranklog_collector.mlflow.tracking import Tracking


async def create(tracking: Tracking, request: Json) -> Json:
    """Make an experiment."""
    name = limits.experiment_name(fields.text(request, "name"))
    location = limits.check_length(
        fields.any_text(request, "artifact_location"), "artifact_location", limits.LOCATION_MAX
    )
    tags = fields.pairs(request, "tags", limits.experiment_tag)
    experiments = await tracking.runs.experiments()
    made = await tracking.runs.call(experiments.create, name, location, tags)
    return {"experiment_id": str(made.experiment_id)}


async def get(tracking: Tracking, request: Json) -> Json:
    """Tell of an experiment."""
    experiments = await tracking.runs.experiments()
    return {"experiment": shapes.experiment(experiments.get(fields.text(request, "experiment_id")))}


async def get_by_name(tracking: Tracking, request: Json) -> Json:
    """Tell of the experiment of a name."""
    name = fields.text(request, "experiment_name")
    experiments = await tracking.runs.experiments()
    return {"experiment": shapes.experiment(experiments.named(name))}


async def search(tracking: Tracking, request: Json) -> Json:
    """Find experiments."""
    most = limits.check_results(
        fields.integer(request, "max_results", limits.SEARCH_RESULTS), limits.SEARCH_RESULTS_MAX
    )
    clauses = filters.parse(fields.any_text(request, "filter"), filters.EXPERIMENTS)
    order = ordering.of_experiments(fields.texts(request, "order_by"))
    offset = paging.offset(fields.any_text(request, "page_token"))
    stages = view(request.get("view_type"), "view_type")
    experiments = await tracking.runs.experiments()
    found = await tracking.runs.call(experiments.catalog.search_experiments, stages, clauses, order, offset, most + 1)
    tracking.runs.settle()
    answer: Json = {"experiments": [shapes.experiment(one) for one in found[:most]]} if found else {}
    if len(found) > most:
        answer["next_page_token"] = paging.token(offset + most)
    return answer


async def update(tracking: Tracking, request: Json) -> Json:
    """Call an experiment something else."""
    experiments = await tracking.runs.experiments()
    one = experiments.get(fields.text(request, "experiment_id"))
    name = fields.any_text(request, "new_name")
    if name:
        if not one.is_active:
            raise invalid("Cannot rename a non-active experiment.")
        await tracking.runs.call(experiments.rename, one, limits.experiment_name(name))
    return {}


async def delete(tracking: Tracking, request: Json) -> Json:
    """Leave an experiment and its runs out of searches."""
    return await _set_stage(tracking, fields.text(request, "experiment_id"), DELETED)


async def restore(tracking: Tracking, request: Json) -> Json:
    """Have a deleted experiment and its runs in searches again."""
    return await _set_stage(tracking, fields.text(request, "experiment_id"), ACTIVE)


async def _set_stage(tracking: Tracking, experiment_id: str, stage: str) -> Json:
    experiments = await tracking.runs.experiments()
    one = experiments.get(experiment_id)
    if one.lifecycle_stage != stage:
        await tracking.runs.call(experiments.set_lifecycle, one, stage)
        await set_stage_of_all(tracking, one.experiment_id, stage)
    return {}


async def set_tag(tracking: Tracking, request: Json) -> Json:
    """Set a tag of an experiment."""
    key = fields.text(request, "key")
    value = limits.experiment_tag(key, fields.any_text(request, "value"))
    experiments = await tracking.runs.experiments()
    one = experiments.get_active(fields.text(request, "experiment_id"))
    await tracking.runs.call(experiments.set_tag, one, key, value)
    return {}


async def delete_tag(tracking: Tracking, request: Json) -> Json:
    """Remove a tag of an experiment."""
    key = fields.text(request, "key")
    experiments = await tracking.runs.experiments()
    one = experiments.get_active(fields.text(request, "experiment_id"))
    await tracking.runs.call(experiments.set_tag, one, key, None)
    return {}


async def search_datasets(tracking: Tracking, request: Json) -> Json:
    """List the datasets that runs of experiments use."""
    ids = fields.texts(request, "experiment_ids")
    if not ids:
        raise invalid("SearchDatasets request must specify at least one experiment_id.")
    if len(ids) > limits.SEARCHED_EXPERIMENTS_MAX:
        raise invalid(
            f"SearchDatasets request cannot specify more than {limits.SEARCHED_EXPERIMENTS_MAX} experiment_ids. "
            f"Received {len(ids)} experiment_ids."
        )
    experiments = await tracking.runs.experiments()
    await tracking.runs.flush()
    found = await tracking.runs.call(experiments.catalog.dataset_summaries, experiments.known(ids))
    return {
        "dataset_summaries": [
            {"experiment_id": str(number), "name": name, "digest": digest, **({"context": context} if context else {})}
            for number, name, digest, context in found
        ]
    }
