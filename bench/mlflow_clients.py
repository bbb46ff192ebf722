"""One MLflow client at a server, in a process of its own: prints how fast it was. Run by `bench.mlflow_server`."""

from __future__ import annotations

import json
import statistics
import sys
import time

import mlflow
from mlflow.entities import Metric

BATCH = 1000


def main(uri: str, what: str, count: int, run_id: str) -> None:
    """Do one thing so many times."""
    client = mlflow.MlflowClient(uri)
    client.get_run(run_id)  # the connection is there
    print("ready", flush=True)
    sys.stdin.readline()
    began, times = time.perf_counter(), []
    for number in range(count):
        at = time.perf_counter()
        if what == "single":
            client.log_metric(run_id, "loss", number * 0.5, number, number)
        elif what == "batch":
            points = [Metric(f"m{step % 10}", step * 0.37, step, number * BATCH + step) for step in range(BATCH)]
            client.log_batch(run_id, points)
        else:
            assert len(client.get_metric_history(run_id, "history")) == 100 * BATCH
        times.append(time.perf_counter() - at)
    print(json.dumps({"s": time.perf_counter() - began, "median_ms": 1000 * statistics.median(times)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
