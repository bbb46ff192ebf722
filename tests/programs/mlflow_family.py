"""What MLflow's client, as it is, finds of a job's run and its child runs at a collector, and adds to one of them.

usage: mlflow_family.py URI RUN; says what it sees as one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import Any

PATIENCE_S = 60


def main(uri: str, run_id: str) -> None:
    """Read, add, read again, and tell."""
    client = import_module("mlflow").MlflowClient(uri)
    job = client.get_run(run_id)
    below = f"tags.`mlflow.parentRunId` = '{run_id}'"
    deadline, children = time.monotonic() + PATIENCE_S, []
    while len(children) < int(job.data.params["ranks"]) and time.monotonic() < deadline:
        children = client.search_runs([job.info.experiment_id], below, order_by=["attributes.run_name"])
        time.sleep(0.1)
    first = children[0].info.run_id
    client.log_metric(first, "inner", 77.0, timestamp=int(time.time() * 1000), step=7)
    client.set_tag(first, "later", "x")
    client.log_param(first, "later", "y")
    client.log_text(first, "afterwards", "notes/later.txt")
    client.set_terminated(first, "KILLED")
    inputs = client.get_run(run_id).inputs.dataset_inputs
    print(json.dumps({"children": [told(client, client.get_run(each.info.run_id)) for each in children]}), flush=True)
    print(json.dumps({"inputs": [[each.dataset.name, each.dataset.source_type] for each in inputs]}), flush=True)


def told(client: Any, run: Any) -> dict[str, Any]:
    """What is known of a child run."""
    run_id = run.info.run_id
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "parent": client.get_parent_run(run_id).info.run_id if hasattr(client, "get_parent_run") else None,
        "inner": [[point.step, point.value] for point in client.get_metric_history(run_id, "inner")],
        "latest": run.data.metrics,
        "params": run.data.params,
        "later": run.data.tags.get("later"),
        "files": [file.path for file in client.list_artifacts(run_id, "notes")],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
