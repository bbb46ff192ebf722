"""A rank that logs by MLflow's client, as it is, to wherever it is told; says what it sees as one line of JSON.

usage: mlflow_rank.py STEPS [TRACKING_URI]
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module


def main() -> None:
    """Log, and tell."""
    mlflow = import_module("mlflow")
    rank, steps = int(os.environ["OMPI_COMM_WORLD_RANK"]), int(sys.argv[1])
    if len(sys.argv) > 2:
        mlflow.set_tracking_uri(sys.argv[2])
    began_s = time.monotonic()
    mlflow.set_experiment("an experiment of the script's own")
    with mlflow.start_run() as run:
        for step in range(steps):
            mlflow.log_metric(f"loss{rank}", step * 0.5, step=step)
        mlflow.log_metrics({"a": 1.0, "b": float("nan")}, step=rank)
        mlflow.log_params({"lr": 0.1, f"own{rank}": rank, "ranks": os.environ["OMPI_COMM_WORLD_SIZE"]})
        source = import_module("mlflow.data.http_dataset_source").HTTPDatasetSource("http://127.0.0.1/data.csv")
        mlflow.log_input(import_module("mlflow.data.meta_dataset").MetaDataset(source, name="digits"), "training")
        mlflow.set_tag(f"tag{rank}", "x")
        mlflow.log_text("hello", f"texts/{rank}.txt")
        try:
            mlflow.log_param("lr", 0.2)
            refused = ""
        except mlflow.exceptions.MlflowException as error:
            refused = error.message
        with mlflow.start_run(nested=True, run_name=f"part{rank}") as child:
            mlflow.log_metric("inner", rank)
    client = mlflow.MlflowClient()
    data = client.get_run(run.info.run_id).data
    seen = {
        "run": run.info.run_id,
        "child": child.info.run_id,
        "uri": mlflow.get_tracking_uri(),
        "key": os.environ["RANKLOG_PROCESS"],
        "took_s": time.monotonic() - began_s,
        "refused": refused,
        "params": data.params,
        "latest": data.metrics[f"loss{rank}"],
        "history": [point.value for point in client.get_metric_history(run.info.run_id, f"loss{rank}")],
    }
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
