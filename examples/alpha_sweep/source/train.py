"""Fits noisy points by a polynomial with a ridge penalty alpha, for one alpha after the other, and logs the errors."""

from __future__ import annotations

import argparse
import json
import os
import random

from ranklog import Run

DEGREE = 6
ALPHAS = [round(0.05 * step, 2) for step in range(20)]

Points = list[tuple[float, float]]


def make_points(count: int, seed: int) -> Points:
    source = random.Random(seed)
    xs = [source.uniform(-1, 1) for _ in range(count)]
    return [(x, 2 * x**3 - x + source.gauss(0, 0.2)) for x in xs]


def fit(points: Points, alpha: float) -> list[float]:
    """Solve (XᵀX + alpha·I)·w = Xᵀy."""
    size = DEGREE + 1
    left = [[sum(x ** (i + j) for x, _ in points) + alpha * (i == j) for j in range(size)] for i in range(size)]
    right = [sum(x**i * y for x, y in points) for i in range(size)]
    return solve(left, right)


def solve(left: list[list[float]], right: list[float]) -> list[float]:
    """Eliminate from top to bottom, then substitute from bottom to top; the matrix is positive definite."""
    rows = [[*row, value] for row, value in zip(left, right, strict=True)]
    size = len(rows)
    for pivot in range(size):
        for row in rows[pivot + 1 :]:
            share = row[pivot] / rows[pivot][pivot]
            row[pivot:] = [a - share * b for a, b in zip(row[pivot:], rows[pivot][pivot:], strict=True)]
    weights = [0.0] * size
    for at in reversed(range(size)):
        known = sum(rows[at][other] * weights[other] for other in range(at + 1, size))
        weights[at] = (rows[at][size] - known) / rows[at][at]
    return weights


def mean_squared_error(weights: list[float], points: Points) -> float:
    errors = (sum(w * x**power for power, w in enumerate(weights)) - y for x, y in points)
    return sum(error * error for error in errors) / len(points)


parser = argparse.ArgumentParser()
parser.add_argument("--points", type=int, default=200)
options = parser.parse_args()
rank = int(os.environ.get("RANK", "0"))
training, testing = make_points(options.points, seed=2 * rank), make_points(options.points, seed=2 * rank + 1)

run = Run.get_context()
os.makedirs("outputs", exist_ok=True)
for alpha in ALPHAS:
    weights = fit(training, alpha)
    mse = mean_squared_error(weights, testing)
    run.log("alpha", alpha)
    run.log("mse", mse)
    with open(f"outputs/ridge_{alpha:.2f}_{rank}.json", "w", encoding="utf-8") as file:
        json.dump(weights, file)
    print(f"alpha is {alpha:.2f}, and mse is {mse:0.4f}", flush=True)
