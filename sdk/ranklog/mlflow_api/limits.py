"""What MLflow's API accepts: names, values and sizes, refused in the words that its own server uses. Pure."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from ranklog.mlflow_api.errors import invalid

METRICS_MAX = 1000
PARAMS_MAX = TAGS_MAX = 100
ENTITIES_MAX = 1000
KEY_CHARACTERS_MAX = 250
PARAM_CHARACTERS_MAX = 6000
TAG_CHARACTERS_MAX = 8000
EXPERIMENT_CHARACTERS_MAX = 500
INTEGER_MAX = 2**63 - 1
MS_MAX = INTEGER_MAX // 10**6
"""Later times cannot be told in nanoseconds."""
NAME = re.compile(r"[/\w.\- :]*")
NUMBERS = {"NaN", "Infinity", "-Infinity"}
MISSING_NAME = "A key name must be provided."
BAD_CHARACTER = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) "
    "and slashes (/)."
)


class Metric(NamedTuple):
    """One value of a metric; the timestamp in milliseconds since the Unix epoch."""

    key: str
    value: float
    timestamp: int
    step: int


Pair = tuple[str, str]


def metric(key: Any, value: Any, timestamp: Any, step: Any, path: str = "") -> Metric:
    """Check a value of a metric. Raises ApiError."""
    _check_name(key, f"{path}.name" if path else "name", f"Metric name cannot be None. {MISSING_NAME}")
    number = _number(key, value, timestamp, f"{path}.value" if path else "value")
    moment = _whole(timestamp)
    if moment is None or moment < 0:
        raise _refused(
            f"{path}.timestamp" if path else "timestamp",
            timestamp,
            f"metric '{key}' (value={value}). Timestamp must be a nonnegative long (64-bit integer) ",
        )
    place = _whole(0 if step is None else step)
    if place is None:
        raise _refused(
            f"{path}.step" if path else "step",
            step,
            f"metric '{key}' (value={value}). Step must be a valid long (64-bit integer).",
        )
    _check_length("Metric name", key, KEY_CHARACTERS_MAX)
    return Metric(key, number, min(moment, MS_MAX), place)


def param(key: Any, value: Any, path: str = "") -> Pair:
    """Check a parameter; a long value is cut as MLflow cuts it. Raises ApiError."""
    _check_name(key, f"{path}.key" if path else "key", MISSING_NAME)
    _check_length("Param key", key, KEY_CHARACTERS_MAX)
    return key, _text(value)[:PARAM_CHARACTERS_MAX]


def tag(key: Any, value: Any, path: str = "") -> Pair:
    """Check a tag; a long value is cut as MLflow cuts it. Raises ApiError."""
    name = f"{path}.key" if path else "key"
    _check_name(key, name, MISSING_NAME)
    _check_length(name, key, KEY_CHARACTERS_MAX)
    return key, _text(value)[:TAG_CHARACTERS_MAX]


def experiment_name(name: Any) -> str:
    """Check an experiment's name. Raises ApiError."""
    if not isinstance(name, str) or not name:
        raise invalid(f"Invalid experiment name: {name!r}: a name is a text that is not empty")
    _check_length("name", name, EXPERIMENT_CHARACTERS_MAX)
    return name


def check_batch(metrics: Sequence[object], params: Sequence[object], tags: Sequence[object]) -> None:
    """Check how much is logged at once. Raises ApiError."""
    total = len(metrics) + len(params) + len(tags)
    for what, count, most in (
        ("metrics", len(metrics), METRICS_MAX),
        ("params", len(params), PARAMS_MAX),
        ("tags", len(tags), TAGS_MAX),
        ("metrics, params, and tags", total, ENTITIES_MAX),
    ):
        if count > most:
            raise invalid(
                f"A batch logging request can contain at most {most} {what}. Got {count} {what}. "
                f"Please split up {what} across multiple requests and try again."
            )


def check_unique(params: Sequence[Pair]) -> None:
    """Check that a batch has each parameter once. Raises ApiError."""
    keys = [key for key, _ in params]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise invalid(
            f"Duplicate parameter keys have been submitted: {doubled}. "
            "Please ensure the request contains only one param value per param key."
        )


def _number(key: str, value: Any, timestamp: Any, path: str) -> float:
    if value is None:
        raise invalid(f"Missing value for required parameter '{path}'.")
    if isinstance(value, bool):
        return float(value)
    if hasattr(value, "__float__") or (isinstance(value, str) and value in NUMBERS):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise _refused(
        path,
        value,
        f"metric '{key}' (timestamp={timestamp}). Please specify value as a valid double (64-bit floating point)",
    )


def _whole(value: Any) -> int | None:
    """An integer of 64 bits, which JSON may have as a text; None if it is none."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) <= INTEGER_MAX else None


def _check_name(name: Any, path: str, missing: str) -> None:
    if name is None:
        raise _refused(path, None, missing)
    if not isinstance(name, str):
        raise _refused(path, name, "a name is a text")
    wrong = _wrong_name(name)
    if wrong:
        raise _refused(path, name, wrong)


@lru_cache(maxsize=4096)
def _wrong_name(name: str) -> str | None:
    if not NAME.fullmatch(name):
        return BAD_CHARACTER
    normal = posixpath.normpath(name)
    if normal != name or normal == "." or normal.startswith(("..", "/")):
        return (
            "Names may be treated as files in certain cases, and must not resolve to other names "
            f"when treated as such. This name would resolve to {normal!r}"
        )
    return None


def _check_length(what: str, text: str, most: int) -> None:
    if len(text) > most:
        raise invalid(f"'{what}' exceeds the maximum length of {most} characters")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _refused(path: str, value: Any, reason: str) -> Exception:
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr)
    return invalid(f"Invalid value {shown} for parameter '{path}' supplied: {reason}")
