"""Logs by an unmodified MLflow client all that its users log, and prints as JSON what the client reads back.

Arguments: the tracking URI. Without numpy, images and tables are left out, as mlflow-skinny has them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType


def main(uri: str) -> None:
    mlflow.set_tracking_uri(uri)
    experiment_id = mlflow.create_experiment("Sweep: α/β", tags={"team": "vision"})
    mlflow.set_experiment("Sweep: α/β")
    with mlflow.start_run(run_name="parent", description="what it is") as run:
        run_id = run.info.run_id
        log(run_id)
        with mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metric("m", 7)
        nested = {"parent": mlflow.MlflowClient().get_parent_run(child.info.run_id).info.run_id}
    with mlflow.start_run(run_name="failed"):
        mlflow.end_run("FAILED")
    print(json.dumps({"run_id": run_id, "nested": nested, **read(experiment_id, run_id)}))


def log(run_id: str) -> None:
    mlflow.log_metric("number", 0.5)
    mlflow.log_metric("truth", True)
    for step in range(5):
        mlflow.log_metric("loop", step * step, step=step)
    mlflow.log_metrics({"a": 1, "b": float("nan"), "c": float("inf")}, step=3)
    mlflow.log_metric("later", 2.5, synchronous=False).wait()
    mlflow.log_param("rate", 0.1)
    mlflow.log_params({"layers": 3, "name": "x" * 7000})
    mlflow.set_tag("stage", "one")
    mlflow.set_tags({"stage": "two", "gone": "soon"})
    mlflow.delete_tag("gone")
    mlflow.log_text("hello\n", "texts/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "config.json")
    client = mlflow.MlflowClient()
    client.log_batch(run_id, [Metric("batch", n, n, n) for n in range(2500)], [Param("p", "1")], [RunTag("t", "1")])
    if "numpy" in sys.modules:
        log_images()


def log_images() -> None:
    import matplotlib as mpl
    import numpy as np
    import pandas as pd
    from PIL import Image

    mpl.use("agg")
    from matplotlib import pyplot as plt

    mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "array.png")
    mlflow.log_image(Image.new("RGB", (4, 4)), "pil.png")
    mlflow.log_image(np.zeros((4, 4), dtype=np.uint8), key="grid", step=2)
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3])
    mlflow.log_figure(figure, "figures/plot.png")
    table = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    mlflow.log_table(table, "table.json")
    mlflow.log_table(table, "table.json")
    mlflow.log_input(mlflow.data.from_pandas(table, name="rows"), context="training")


def read(experiment_id: str, run_id: str) -> dict[str, Any]:
    client = mlflow.MlflowClient()
    run = client.get_run(run_id)
    names = [
        run.info.run_name for run in client.search_runs([experiment_id], "metrics.loop >= 16 AND params.layers = '3'")
    ]
    try:
        client.log_param(run_id, "rate", 0.2)
        conflict = ""
    except mlflow.MlflowException as error:
        conflict = str(error)
    client.delete_run(run_id)
    without = [run.info.run_name for run in client.search_runs([experiment_id])]
    client.restore_run(run_id)
    experiment = client.get_experiment(experiment_id)
    return {
        "metrics": {key: str(value) for key, value in run.data.metrics.items()},
        "params": {key: len(value) if len(value) > 100 else value for key, value in run.data.params.items()},
        "tags": run.data.tags,
        "status": run.info.status,
        "loop": [(metric.step, metric.value) for metric in client.get_metric_history(run_id, "loop")],
        "batch": len(client.get_metric_history(run_id, "batch")),
        "files": sorted(files(client, run_id, "")),
        "text": mlflow.artifacts.load_text(f"runs:/{run_id}/texts/hello.txt"),
        "datasets": [one.dataset.name for one in run.inputs.dataset_inputs],
        "found": names,
        "without": without,
        "failed": [
            run.info.run_name
            for run in client.search_runs([experiment_id], "status = 'FAILED'", run_view_type=ViewType.ALL)
        ],
        "conflict": conflict,
        "experiment": [experiment.name, experiment.tags],
    }


def files(client: mlflow.MlflowClient, run_id: str, folder: str) -> list[str]:
    found = []
    for one in client.list_artifacts(run_id, folder or None):
        found += files(client, run_id, one.path) if one.is_dir else [one.path]
    return found


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[2] == "all":
        import numpy  # noqa: F401
    main(sys.argv[1])
