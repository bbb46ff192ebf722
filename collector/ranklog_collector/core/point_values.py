"""A point's value in columns and back: 1, 1.0, True and "1" stay apart, and nothing is rounded."""

from __future__ import annotations

import math
from typing import Any

import orjson

KINDS = {
    name: number
    for number, name in enumerate(
        ("scalar", "list", "row", "table", "image", "confusion_matrix", "accuracy_table", "predictions", "residuals")
    )
}
"""What a point is. All after `table` are stored as files of the run folder; their value is the file's path."""
TYPES = {name: number for number, name in enumerate(("float", "int", "bool", "text", "null", "json"))}
"""What a value is. float, int and bool are numbers, which charts show; the others are text only."""
SCALAR = KINDS["scalar"]
NUMBERS = ("float", "int", "bool")
_SHAPED = (KINDS["list"], KINDS["row"], KINDS["table"])
_EXACT = 1 << 53
"""Integers beyond are not exact as doubles."""
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_NAN = math.nan


def encode(value: Any, kind: int) -> tuple[int, float, str | None]:
    """Turn a value, as JSON has it, into (type, number, text); the number is NaN where there is none."""
    if type(value) is float:
        return TYPES["float"], value, None
    if type(value) is bool:
        return TYPES["bool"], float(value), None
    if type(value) is int:
        return TYPES["int"], float(value), None if -_EXACT <= value <= _EXACT else str(value)
    if type(value) is str:
        return TYPES["json" if kind in _SHAPED else "text"], _NAN, value
    if value is None:
        return TYPES["null"], _NAN, None
    if type(value) is dict and (special := _special(value)) is not None:
        return TYPES["float"], special, None
    return TYPES["json"], _NAN, encode_json(value)


def encode_json(value: Any) -> str:
    """Write a value of several parts as JSON; one that is nested without end is null."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return "null"


def decode(type_name: str, number: float | None, text: str | None) -> Any:
    """Turn what is in columns back into the value."""
    if type_name == "float":
        return number
    if type_name == "bool":
        return bool(number)
    if type_name == "int":
        return int(number or 0) if text is None else int(text)
    if type_name == "json":
        return _revived(orjson.loads(text or "null"))
    return text


def _revived(value: Any) -> Any:
    """Put in the numbers that JSON does not have."""
    if type(value) is list:
        return [_revived(one) for one in value]
    if type(value) is dict:
        special = _special(value)
        return {name: _revived(one) for name, one in value.items()} if special is None else special
    return value


def _special(value: dict[str, Any]) -> float | None:
    name = value.get("f") if len(value) == 1 else None
    return _SPECIAL.get(name) if type(name) is str else None
