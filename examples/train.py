"""A small real training job: each rank fits a line to its own shard of data, by stochastic gradient descent.

It writes what training jobs write: lines on stdout, a bar and warnings on stderr, and its loss as a metric.

    mpirun -n 4 --oversubscribe ranklog exec -- python examples/train.py
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import time

from ranklog import Run

RANK_VARIABLES = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
BAR_WIDTH = 20


def rank_of(environ: dict[str, str]) -> int:
    return next((int(environ[name]) for name in RANK_VARIABLES if name in environ), 0)


def shard(rank: int, points: int) -> list[tuple[float, float]]:
    """Make this rank's data: y = 3x - 1 with noise."""
    source = random.Random(rank)
    xs = (source.uniform(-1, 1) for _ in range(points))
    return [(x, 3 * x - 1 + source.gauss(0, 0.1)) for x in xs]


def train(run: Run, rank: int, epochs: int, points: int, pause_s: float) -> float:
    data = shard(rank, points)
    slope = intercept = 0.0
    loss = float("inf")
    for epoch in range(epochs):
        total = 0.0
        for index, (x, y) in enumerate(data):
            error = slope * x + intercept - y
            slope -= 0.05 * error * x
            intercept -= 0.05 * error
            total += error * error
            run.log("squared error", error * error)
            if (index + 1) % (points // BAR_WIDTH) == 0:
                show_progress(epoch, (index + 1) / points)
                time.sleep(pause_s)
        sys.stderr.write("\n")
        loss = total / points
        run.log("loss", loss, step=epoch)
        print(f"epoch {epoch} rank {rank} loss {loss:.5f} slope {slope:.3f} intercept {intercept:.3f}")
    return loss


def show_progress(epoch: int, share: float) -> None:
    done = round(share * BAR_WIDTH)
    sys.stderr.write(f"\repoch {epoch} {share:4.0%} |{'#' * done:{BAR_WIDTH}}|")
    sys.stderr.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two steps of the bar")
    options = parser.parse_args()
    rank = rank_of(dict(os.environ))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    print(f"rank {rank} starts, pid {os.getpid()}")
    if rank == 0:
        logging.warning("learning rate is fixed; no schedule is configured")
    loss = train(Run.get_context(), rank, options.epochs, options.points, options.pause)
    print(f"rank {rank} finished, loss {loss:.5f}")


if __name__ == "__main__":
    main()
