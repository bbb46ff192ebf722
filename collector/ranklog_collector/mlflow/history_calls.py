"""Calls about all values of a metric."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ranklog.mlflow_api import fields, limits, paging
from ranklog.mlflow_api.errors import invalid
from ranklog.mlflow_api.fields import Json

if TYPE_CHECKING:
    from ranklog_collector.mlflow.history import Place
    from ranklog_collector.mlflow.tracking import Tracking


async def get_history(tracking: Tracking, request: Json) -> Json:
    """Give the values of a metric of one run."""
    run_id, key = fields.run_id(request), fields.text(request, "metric_key")
    most = fields.integer(request, "max_results", limits.HISTORY_RESULTS_MAX)
    if most < 1:
        raise fields.invalid_value("max_results", most, "it must be at least 1")
    most = min(most, limits.HISTORY_RESULTS_MAX)
    offset = paging.offset(fields.any_text(request, "page_token"))
    places = await _places(tracking, [run_id])
    if not places:
        return {}
    histories = await tracking.histories()
    found, has_more = await asyncio.to_thread(histories.page, places[0][1], key, offset, most)
    answer: Json = {"metrics": found} if found else {}
    if has_more:
        answer["next_page_token"] = paging.token(offset + most)
    return answer


async def get_bulk(tracking: Tracking, request: Json) -> Json:
    """Give the values of a metric of several runs, one run after the other."""
    ids = fields.texts(request, "run_id")
    if not ids:
        raise invalid("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(ids) > limits.BULK_RUNS_MAX:
        raise invalid(
            f"GetMetricHistoryBulk request cannot specify more than {limits.BULK_RUNS_MAX} run_ids. Received "
            f"{len(ids)} run_ids."
        )
    key = fields.any_text(request, "metric_key")
    if not key:
        raise invalid("GetMetricHistoryBulk request must specify a metric_key.")
    left = min(fields.integer(request, "max_results", limits.HISTORY_RESULTS_MAX), limits.HISTORY_RESULTS_MAX)
    found: list[Json] = []
    histories = await tracking.histories()
    for run_id, place in await _places(tracking, sorted(set(ids))):
        if left > len(found):
            page, _ = await asyncio.to_thread(histories.page, place, key, 0, left - len(found))
            found += [{**point, "run_id": run_id} for point in page]
    return {"metrics": found}


async def get_interval(tracking: Tracking, request: Json) -> Json:
    """Give the values of a metric of several runs at some of their steps."""
    ids = fields.texts(request, "run_ids")
    if not ids:
        raise fields.missing_value("run_ids")
    if len(ids) > limits.BULK_RUNS_MAX:
        raise invalid(
            f"GetMetricHistoryBulkInterval request must specify at most {limits.BULK_RUNS_MAX} run_ids. Received "
            f"{len(ids)} run_ids."
        )
    key = fields.text(request, "metric_key")
    most = fields.integer(request, "max_results", limits.INTERVAL_RESULTS_MAX)
    if not 1 <= most <= limits.INTERVAL_RESULTS_MAX:
        raise invalid(f"max_results must be between 1 and {limits.INTERVAL_RESULTS_MAX}.")
    steps = _range(request)
    places = await _places(tracking, list(dict.fromkeys(ids)))
    histories = await tracking.histories()
    return {"metrics": await asyncio.to_thread(histories.interval, places, key, steps, most)}


def _range(request: Json) -> tuple[int, int] | None:
    if request.get("start_step") is None and request.get("end_step") is None:
        return None
    if request.get("start_step") is None or request.get("end_step") is None:
        raise invalid("If either start step or end step are specified, both must be specified.")
    first, last = fields.integer(request, "start_step"), fields.integer(request, "end_step")
    if first > last:
        raise invalid(f"end_step must be greater than start_step. Found start_step={first} and end_step={last}.")
    return first, last


async def _places(tracking: Tracking, ids: list[str]) -> list[tuple[str, Place]]:
    """Ids and places of those runs that there are."""
    found = []
    for run_id in ids:
        run = await tracking.runs.find(run_id)
        if run is not None:
            found.append((run_id, (os.path.join(tracking.root, run.info.folder), run.info.child)))
    return found
