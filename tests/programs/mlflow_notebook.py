"""A script of the kind that Azure ML's article shows, by MLflow's client alone; says what it reads back as JSON.

usage: mlflow_notebook.py TRACKING_URI
"""

from __future__ import annotations

import json
import sys
from importlib import import_module


def main() -> None:
    """Log one of everything, and read it."""
    mlflow, np, pyplot = (import_module(name) for name in ("mlflow", "numpy", "matplotlib.pyplot"))
    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.create_experiment("mlflow-experiment")
    mlflow.set_experiment("mlflow-experiment")
    run = mlflow.start_run()
    mlflow.log_metric("my_metric", 1)
    mlflow.log_metric("my_boolean", True)
    for value in (1, 2, 3, 4):
        mlflow.log_metric("sample_metric", value, step=value)
    mlflow.log_params({"lr": 0.1})
    mlflow.set_tags({"k": "v", "gone": "x"})
    mlflow.delete_tag("gone")
    mlflow.log_text("foo", "my_string.txt")
    mlflow.log_image(np.zeros((8, 8, 3), dtype=np.uint8), "image.png")
    figure, axes = pyplot.subplots()
    axes.plot([0, 1])
    mlflow.log_figure(figure, "figure.png")
    mlflow.log_table({"a": [1]}, "folder/table.json")
    mlflow.log_table({"a": [2]}, "folder/table.json")
    for step in range(20):
        mlflow.log_metric("async", step, step=step, synchronous=False)
    mlflow.flush_async_logging()
    with mlflow.start_run(nested=True, run_name="part") as child:
        mlflow.log_metric("inner", 5)
        mlflow.log_text("bar", "inner.txt")
    mlflow.end_run()
    client = mlflow.MlflowClient()
    finished = client.get_run(run.info.run_id)
    below = client.get_run(child.info.run_id)
    print(
        json.dumps(
            {
                "run": run.info.run_id,
                "status": finished.info.status,
                "metrics": finished.data.metrics,
                "params": finished.data.params,
                "tags": finished.data.tags,
                "history": [point.value for point in client.get_metric_history(run.info.run_id, "sample_metric")],
                "async": [point.value for point in client.get_metric_history(run.info.run_id, "async")],
                "files": [each.path for each in client.list_artifacts(run.info.run_id)],
                "folder": [each.path for each in client.list_artifacts(run.info.run_id, "folder")],
                "text": mlflow.artifacts.load_text(f"{run.info.artifact_uri}/my_string.txt"),
                "child": [below.info.run_name, below.info.status, below.data.metrics, below.data.tags],
                "inner": mlflow.artifacts.load_text(f"{child.info.artifact_uri}/inner.txt"),
            }
        )
    )


if __name__ == "__main__":
    main()
