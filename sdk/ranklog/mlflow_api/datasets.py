"""Datasets of a request. Pure."""

from __future__ import annotations

from ranklog.mlflow_api import limits
from ranklog.mlflow_api.errors import invalid
from ranklog.mlflow_api.fields import Json, any_text, missing_value, objects, text

NEEDED = ("name", "digest", "source_type", "source")
MEMBERS = (*NEEDED, "schema", "profile")


def datasets(request: Json) -> list[Json]:
    """Read the datasets of a request: of each its `MEMBERS`, and its `tags` by their keys. Raises MlflowError."""
    found = objects(request, "datasets")
    if len(found) > limits.DATASETS_MAX:
        raise invalid(f"A request can contain at most {limits.DATASETS_MAX} datasets. Got {len(found)}.")
    return [_dataset(one, f"datasets[{index}]") for index, one in enumerate(found)]


def _dataset(one: Json, path: str) -> Json:
    tags = {}
    for index, tag in enumerate(objects(one, "tags")):
        key = text(tag, "key", f"{path}.tags[{index}].key")
        value = any_text(tag, "value", f"{path}.tags[{index}].value")
        limits.check_length(key, "key", limits.INPUT_TAG_KEY_MAX)
        tags[key] = limits.check_length(value, "value", limits.INPUT_TAG_MAX)
    dataset = one.get("dataset")
    if type(dataset) is not dict:
        raise missing_value(f"{path}.dataset")
    said = {name: limits.check_dataset(name, any_text(dataset, name, f"{path}.dataset.{name}")) for name in MEMBERS}
    for name in NEEDED:
        if not said[name]:
            raise missing_value(f"{path}.dataset.{name}")
    return {**said, "tags": tags}
