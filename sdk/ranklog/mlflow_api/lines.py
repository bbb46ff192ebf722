"""What MLflow's client logs, as lines of points (docs/reference/points.md). Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ranklog.mlflow_api.limits import TIMESTAMP_MAX
from ranklog.mlflow_api.metrics import Logged
from ranklog.points import line

NS_PER_MS = 10**6
NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"

Line = dict[str, Any]


def moment_ns(time: int | None, now_ns: int) -> int:
    """A client's time in ms as ns, or now if it can be none."""
    return time * NS_PER_MS if time is not None and 0 < time <= TIMESTAMP_MAX else now_ns


def dump(lines: Iterable[Line]) -> bytes:
    """As bytes of a file."""
    return b"".join([line.entry(one["t"], one) for one in lines])


def of_metrics(metrics: Sequence[Logged]) -> list[Line]:
    """As few lines as will do: one for each moment and step, or one for each metric."""
    if len(metrics) == 1:
        key, value, timestamp, step = metrics[0]
        return [{"t": timestamp * NS_PER_MS, "k": key, "v": _value(value), "s": step}]
    moments: dict[tuple[int, int], dict[str, Any]] = {}
    keys: dict[str, tuple[list[Any], list[int], list[int]]] = {}
    is_repeated = False
    for key, value, timestamp, step in metrics:
        encoded = value if value - value == 0 else _value(value)
        at = moments.setdefault((timestamp, step), {})
        is_repeated = is_repeated or key in at
        at[key] = encoded
        values, times, steps = keys.setdefault(key, ([], [], []))
        values.append(encoded)
        times.append(timestamp * NS_PER_MS)
        steps.append(step)
    if len(moments) <= len(keys) and not is_repeated:
        return [{"t": time * NS_PER_MS, "m": values, "s": step} for (time, step), values in moments.items()]
    return [
        {"t": times[0], "k": key, "vs": values, "ts": times, "ss": steps}
        for key, (values, times, steps) in keys.items()
    ]


def of_facts(
    now_ns: int, params: Mapping[str, str], tags: Mapping[str, str | None], info: Mapping[str, str] | None = None
) -> list[Line]:
    """One line with what was said of the run, if anything was."""
    line: Line = {"t": now_ns}
    if params:
        line["param"] = params
    if tags:
        line["tag"] = tags
    if info:
        line["set"] = info
    return [line] if len(line) > 1 else []


def of_tags(tags: Mapping[str, str]) -> Line:
    """What tags of a run that a process of a job begins come to: its parent is told by its place, its name as one."""
    known = dict(tags)
    name = known.pop(NAME_TAG, None)
    known.pop(PARENT_TAG, None)
    return {**({"tag": known} if known else {}), **({"set": {"display_name": name}} if name else {})}


def _value(value: float) -> Any:
    if math.isfinite(value):
        return value
    return {"f": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}
