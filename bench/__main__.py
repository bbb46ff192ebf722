"""`python -m bench`: what there is to measure."""

from __future__ import annotations

BENCHES = {
    "throughput": "one large file, from appearing on a node to being complete at the collector; socat, rsyslog",
    "latency": "from write() to visible in the collector's file, at 50 lines/s; rsyslog",
    "idle": "1,000 files in which nothing happens, then 200 files that live 50 ms; rsyslog",
    "fan_in": "500 agents with 4 streams each on one collector",
    "log_call": "what one run.log costs; TensorBoard's writer, trackio, Aim, MLflow on SQLite and on its server",
    "ingest_points": "points from a node's spool until a reader knows them all, and has their aggregate over ranks",
    "mlflow_plugin": "what one mlflow.log_metric costs, by ranklog:// and by the relay; MLflow's own stores and server",
    "mlflow_server": "a tracking server under MLflow's clients, and beyond what these can do; MLflow's own server",
    "aggregate": "a metric of 64 ranks x 200,000 steps over all ranks, thinned to 1,000",
    "torchrun_trial": "whom the verdict on a broken torchrun job blames, also with a clock set wrong; torchrun itself",
    "verdict_matrix": "the verdicts on jobs of six launchers that break in twelve ways, and their score",
    "top": "`ranklog top` on 1,024 ranks and 2 GB that grow: its first picture, CPU for each look, answers to keys",
    "why": "from asking `ranklog why` of a run of 1,024 ranks with 2 GB of output to its answer",
    "grep": "finding lines in 2 GB of 1,024 ranks; grep, ripgrep",
    "exec": "start-up of `ranklog exec`; a bare command, python",
}


def main() -> None:
    """List the benches."""
    for name, measures in BENCHES.items():
        print(f"python -m bench.{name:<15}{measures}")


if __name__ == "__main__":
    main()
