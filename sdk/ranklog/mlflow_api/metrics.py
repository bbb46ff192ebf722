"""Metrics of a request. Pure; nothing here is done more often."""

from __future__ import annotations

from typing import Any, NamedTuple

from ranklog.mlflow_api.fields import INTEGER_MAX, Json, invalid_value, missing_value, text, to_integer
from ranklog.mlflow_api.limits import TIMESTAMP_MAX, check_name

_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

Logged = tuple[str, float, int, int]
"""Key, value, timestamp in ms, step."""


class Metric(NamedTuple):
    """The same, by names."""

    key: str
    value: float
    timestamp: int
    step: int


def metric(one: Json, prefix: str = "") -> Logged:
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
        if timestamp < 0:
            raise invalid_value(
                f"{prefix}timestamp",
                timestamp,
                f"metric '{key}' (value={value}). Timestamp must be a nonnegative long (64-bit integer)",
            )
        timestamp = TIMESTAMP_MAX
    if type(step) is not int or not -INTEGER_MAX <= step <= INTEGER_MAX:
        step = 0 if step is None else to_integer(step, f"{prefix}step")
    return key, value, timestamp, step


def metrics(many: list[Any]) -> list[Logged]:
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
    elif hasattr(value, "__float__"):
        try:
            return float(value)
        except (OverflowError, TypeError, ValueError):
            pass
    raise invalid_value(path, value, "Please specify value as a valid double (64-bit floating point)")
