"""Members of a request: there or not, and of their type. Pure.

A request is the object that the client sent, or what its query string says: then every value is a list of texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ranklog.mlflow_api.errors import MlflowError, invalid

Json = dict[str, Any]
INTEGER_MAX = (1 << 63) - 1
_DIGITS = re.compile(r"[+-]?\d{1,19}")


def invalid_value(path: str, value: Any, reason: str = "") -> MlflowError:
    """The value of a member is none that it can have."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return invalid(f"Invalid value {shown} for parameter '{path}' supplied{': ' + reason if reason else '.'}")


def missing_value(path: str) -> MlflowError:
    """A member that has to be there is not."""
    return invalid(f"Missing value for required parameter '{path}'.")


def text(request: Json, name: str, path: str | None = None) -> str:
    """A text that has to be there."""
    value = request.get(name)
    if value is None or value == "":
        raise missing_value(path or name)
    return _text(value, path or name)


def any_text(request: Json, name: str, path: str | None = None) -> str:
    """A text that may be missing or empty."""
    value = request.get(name)
    return "" if value is None else _text(value, path or name)


def integer(request: Json, name: str, default: int | None = None, path: str | None = None) -> int:
    """An integer of 64 bits, perhaps written as text; it has to be there if there is no default."""
    value = request.get(name)
    if value is None:
        if default is None:
            raise missing_value(path or name)
        return default
    return to_integer(value, path or name)


def to_integer(value: Any, path: str) -> int:
    """An integer of 64 bits, perhaps written as text or as a float."""
    if (type(value) is str and _DIGITS.fullmatch(value)) or (type(value) is float and value.is_integer()):
        value = int(value)
    if type(value) is not int or not -INTEGER_MAX - 1 <= value <= INTEGER_MAX:
        raise invalid_value(path, value, "it must be an integer of 64 bits")
    return value


def listed(request: Json, name: str) -> list[Any]:
    """A list, empty if it is missing."""
    value = request.get(name)
    if value is None:
        return []
    if type(value) is not list:
        raise invalid_value(name, value, "it must be a list")
    return value


def texts(request: Json, name: str) -> list[str]:
    """A list of texts, empty if it is missing."""
    return [_text(one, f"{name}[{index}]") for index, one in enumerate(listed(request, name))]


def objects(request: Json, name: str) -> list[Json]:
    """A list of objects, empty if it is missing."""
    found = listed(request, name)
    for index, one in enumerate(found):
        if type(one) is not dict:
            raise invalid_value(f"{name}[{index}]", one, "it must be an object")
    return found


def pairs(request: Json, name: str, check: Callable[[str, str], str]) -> dict[str, str]:
    """A list of objects with `key` and `value`; the last one of a key counts. `check` gives the value to keep."""
    found = {}
    for index, one in enumerate(objects(request, name)):
        key = text(one, "key", f"{name}[{index}].key")
        found[key] = check(key, any_text(one, "value", f"{name}[{index}].value"))
    return found


def pair(request: Json, check: Callable[[str, str], str]) -> dict[str, str]:
    """The `key` and the `value` of a request."""
    key = text(request, "key")
    return {key: check(key, any_text(request, "value"))}


def run_id(request: Json) -> str:
    """The run that is meant, by its new or by its old name."""
    old = request.get("run_uuid")
    if request.get("run_id") is None and type(old) is str and old:
        return old
    return text(request, "run_id")


def _text(value: Any, path: str) -> str:
    if type(value) is not str:
        raise invalid_value(path, value, "it must be a text")
    if "\0" in value:
        raise invalid_value(path, value, "it must not have NUL in it")
    return value
