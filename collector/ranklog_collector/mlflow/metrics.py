"""Metrics of a request. Pure; nothing here is done more often."""

from __future__ import annotations

from typing import Any

from ranklog_collector.mlflow.fields import INT64_MAX, Json, invalid_value, missing_value, text, to_integer
from ranklog_collector.mlflow.limits import check_name
from ranklog_collector.mlflow.lines import TIMESTAMP_MAX
from ranklog_collector.mlflow.run import Metric

_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def metric(one: Json, prefix: str = "") -> Metric:
    """Read a metric; `prefix` says where in the request it is. Raises MlflowError."""
    key, value, timestamp, step = one.get("key"), one.get("value"), one.get("timestamp"), one.get("step")
    if type(key) is not str or not key:
        key = text(one, "key", f"{prefix}key")
    check_name(key, f"{prefix}name")
    if type(value) is not float:
        value = _number(value, f"{prefix}value")
    if type(timestamp) is not int:
        if timestamp is None:
            raise missing_value(f"{prefix}timestamp")
        timestamp = to_integer(timestamp, f"{prefix}timestamp")
    if not 0 <= timestamp <= TIMESTAMP_MAX:
        raise invalid_value(
            f"{prefix}timestamp",
            timestamp,
            f"metric '{key}' (value={value}). Timestamp must be a nonnegative long (64-bit integer), and before 2262",
        )
    if type(step) is not int or not -INT64_MAX <= step <= INT64_MAX:
        step = 0 if step is None else to_integer(step, f"{prefix}step")
    return key, value, timestamp, step


def metrics(many: list[Any]) -> list[Metric]:
    """Read the metrics of a batch. Raises MlflowError."""
    found = []
    for index, one in enumerate(many):
        if type(one) is not dict:
            raise invalid_value(f"metrics[{index}]", one, "it must be an object")
        found.append(metric(one, f"metrics[{index}]."))
    return found


def _number(value: Any, path: str) -> float:
    if value is None:
        raise missing_value(path)
    if type(value) is str:
        if value in _SPECIAL:
            return _SPECIAL[value]
        try:
            return float(value)
        except ValueError:
            pass
    elif type(value) in (int, float, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise invalid_value(path, value, "Please specify value as a valid double (64-bit floating point)")
