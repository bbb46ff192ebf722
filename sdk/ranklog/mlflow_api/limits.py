"""What may be said of a run or an experiment: names, lengths and numbers of things, as MLflow has them. Pure.

All checks raise MlflowError, in the words of MLflow's own server.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from ranklog.mlflow_api.errors import MlflowError, invalid
from ranklog.mlflow_api.fields import INTEGER_MAX, invalid_value

METRICS_MAX = 1000
PARAMS_MAX = 100
TAGS_MAX = 100
ENTITIES_MAX = 1000
"""All of these in one request."""
KEY_MAX = 250
PARAM_MAX = 6000
TAG_MAX = 8000
"""Longer values are cut."""
EXPERIMENT_NAME_MAX = 500
EXPERIMENT_TAG_MAX = 20_000
LOCATION_MAX = 2048
DATASETS_MAX = 1000
DATASET_MAX = {"name": 500, "digest": 36, "source": 65_535, "schema": 1_048_575, "profile": 16_777_215}
INPUT_TAG_KEY_MAX, INPUT_TAG_MAX = 255, 500
SEARCH_RESULTS, SEARCH_RESULTS_MAX = 1000, 50_000
HISTORY_RESULTS_MAX = 25_000
BULK_RUNS_MAX = 100
INTERVAL_RESULTS_MAX = 2500
SEARCHED_EXPERIMENTS_MAX = 20
UPLOAD_BYTES_MAX = 10 << 20
"""Of what the user interface uploads; artifacts that clients log have no limit."""
TIMESTAMP_MAX = INTEGER_MAX // 10**6
"""In ms: later times cannot be told in nanoseconds. It is in the year 2262."""

_NAME = re.compile(r"[/\w.\- :]*")
_KNOWN_MAX = 50_000
_known: set[str] = set()
"""Names that were found to be in order."""


def check_name(name: str, path: str) -> str:
    """Give back the name of a metric, a parameter or a tag."""
    if name in _known:
        return name
    if not _NAME.fullmatch(name):
        raise invalid_value(
            path,
            name,
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and "
            "slashes (/).",
        )
    plain = posixpath.normpath(name)
    if plain != name or plain == "." or plain.startswith(("..", "/")):
        raise invalid_value(
            path,
            name,
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as "
            f"such. This name would resolve to {plain!r}",
        )
    check_length(name, path, KEY_MAX)
    if len(_known) >= _KNOWN_MAX:
        _known.clear()
    _known.add(name)
    return name


def check_length(value: str, path: str, most: int) -> str:
    """Give back a text that is not too long."""
    if len(value) > most:
        raise too_long(path, most)
    return value


def too_long(path: str, most: int) -> MlflowError:
    """The text is too long."""
    return invalid(f"'{path}' exceeds the maximum length of {most} characters")


def tag(key: str, value: str) -> str:
    """The value that a run's tag gets."""
    check_name(key, "key")
    return value[:TAG_MAX]


def param(key: str, value: str) -> str:
    """The value that a parameter gets."""
    check_name(key, "key")
    return value[:PARAM_MAX]


def experiment_tag(key: str, value: str) -> str:
    """The value that an experiment's tag gets."""
    check_name(key, "key")
    return check_length(value, "value", EXPERIMENT_TAG_MAX)


def experiment_name(name: str) -> str:
    """Give back an experiment's name."""
    return check_length(name, "name", EXPERIMENT_NAME_MAX)


def check_batch(metrics: int, params: int, tags: int) -> None:
    """Refuse a batch that has too many of anything."""
    for name, count, most in (
        ("metrics", metrics, METRICS_MAX),
        ("params", params, PARAMS_MAX),
        ("tags", tags, TAGS_MAX),
        ("metrics, params, and tags", metrics + params + tags, ENTITIES_MAX),
    ):
        if count > most:
            raise invalid(
                f"A batch logging request can contain at most {most} {name}. Got {count} {name}. Please split up "
                f"{name} across multiple requests and try again."
            )


def check_unique(keys: Sequence[str]) -> None:
    """Refuse a batch that has a parameter twice."""
    doubled = sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    if doubled:
        raise invalid(
            f"Duplicate parameter keys have been submitted: {doubled}. Please ensure the request contains only one "
            "param value per param key."
        )


def check_params(new: Mapping[str, str], known: Mapping[str, str], run_id: str) -> None:
    """Refuse parameters that have another value already."""
    for key, value in new.items():
        before = known.get(key, value)
        if before != value:
            raise invalid(
                f"Changing param values is not allowed. Param with key='{key}' was already logged with "
                f"value='{before}' for run ID='{run_id}'. Attempted logging new value '{value}'."
            )


def check_dataset(field: str, value: str) -> str:
    """Give back a member of a dataset."""
    return check_length(value, field, DATASET_MAX.get(field, KEY_MAX))


def check_results(value: int, most: int, path: str = "max_results") -> int:
    """Give back how many results an answer may have."""
    if not 1 <= value <= most:
        raise invalid_value(path, value, f"it must be at least 1 and at most {most}")
    return value
