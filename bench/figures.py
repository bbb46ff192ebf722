"""Numbers, and how a bench tells them: progress on stderr, one line of JSON on stdout."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

Value = float | int | str | bool | None
Figures = dict[str, Value]


def machine(bench: str) -> Figures:
    """What every line begins with. The load tells how quiet the machine was before."""
    return {
        "bench": bench,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "python_version": platform.python_version(),
    }


def medians(rounds: Sequence[Figures]) -> Figures:
    """Of each field its median over the rounds; truths hold only if they hold in every round."""
    return {name: _middle([one[name] for one in rounds]) for name in rounds[0]}


def percentiles(samples: Iterable[float]) -> Figures:
    """Of times in seconds, in milliseconds."""
    ordered = sorted(samples)
    last = len(ordered) - 1
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "max_ms": 1.0}
    return {name: 1000 * ordered[round(share * last)] for name, share in shares.items()}


def ratio(rounds: Mapping[str, Sequence[Figures]], above: str, below: str, field: str) -> float | None:
    """The median over the rounds of one contestant's field by another's; None if the other was not there."""
    if below not in rounds:
        return None
    pairs = zip(rounds[above], rounds[below], strict=True)
    return statistics.median(_number(one[field]) / max(_number(other[field]), 1e-9) for one, other in pairs)


def tell(figures: Mapping[str, object]) -> None:
    """Print a bench's result."""
    print(json.dumps(_rounded(figures)), flush=True)


def say(text: str) -> None:
    """Tell progress."""
    print(text, file=sys.stderr, flush=True)


def in_short(figures: Figures) -> str:
    """One round, for the eye."""
    return "  ".join(f"{name} {_rounded(value)}" for name, value in figures.items())


def _middle(values: Sequence[Value]) -> Value:
    first = values[0]
    if isinstance(first, bool):
        return all(values)
    if isinstance(first, int | float):
        return statistics.median(_number(value) for value in values)
    return first


def _number(value: Value) -> float:
    if isinstance(value, int | float):
        return value
    raise TypeError(f"{value!r} is no number")


def _rounded(value: object) -> object:
    """Four digits are more than a shared machine can vouch for."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return value
