"""Logs by an unmodified MLflow client all that its users log, and prints as JSON what the client reads back.

Arguments: the tracking URI. Where pandas is not installed, as beside mlflow-skinny, tables and datasets are left out.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mlflow
import numpy as np
from mlflow.entities import Metric, Param, RunTag, ViewType
from PIL import Image

mpl.use("agg")
from matplotlib import pyplot as plt

IMAGE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


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
    log_as_the_article()
    log_images()
    if find_spec("pandas"):
        log_tables()


def log_as_the_article() -> None:
    """The calls that Azure ML's article shows, as they are there."""
    mlflow.log_metric("my_metric", 1)
    mlflow.log_metric("my_boolean", 0)
    for value in (1, 2, 3, 4):
        mlflow.log_metric("sample_metric", value)
    mlflow.log_text("foo", "my_string")


def log_images() -> None:
    mlflow.log_image(IMAGE, "array.png")
    mlflow.log_image(Image.fromarray(IMAGE), "pil.png")
    mlflow.log_image(np.zeros((4, 4), dtype=np.uint8), key="grid", step=2)
    figure, axes = plt.subplots()
    axes.plot([1, 2, 3])
    mlflow.log_figure(figure, "figures/plot.png")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file.png")
        Image.fromarray(IMAGE).save(path)
        mlflow.log_artifact(str(path))
        mlflow.log_artifacts(folder, "whole/folder")


def log_tables() -> None:
    import pandas as pd

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
        "string": mlflow.artifacts.load_text(f"runs:/{run_id}/my_string"),
        "config": mlflow.artifacts.load_dict(f"runs:/{run_id}/config.json"),
        "images": {
            path: bool((np.asarray(mlflow.artifacts.load_image(f"runs:/{run_id}/{path}")) == IMAGE).all())
            for path in ("array.png", "pil.png", "file.png", "whole/folder/file.png")
        },
        "figure": mlflow.artifacts.load_image(f"runs:/{run_id}/figures/plot.png").size,
        "sample": [metric.value for metric in client.get_metric_history(run_id, "sample_metric")],
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
    main(sys.argv[1])
