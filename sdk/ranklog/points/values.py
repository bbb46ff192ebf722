"""What a logged value becomes: a number, a text, true, false or none.

Scalars of numpy, torch, jax and the like are recognised by what they can do; none of these packages is imported.
"""

from __future__ import annotations

from collections.abc import Mapping

Plain = float | int | str | bool | None
Written = Plain | Mapping[str, str]
"""A plain value as JSON can have it: a number that JSON lacks is an object."""

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
ODD_NUMBERS = {"nan": {"f": "nan"}, "inf": {"f": "inf"}, "-inf": {"f": "-inf"}}


def plain(value: object) -> Plain:
    """Turn any value into a plain one. What is no number and no text becomes its `repr`; nothing is raised."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _integer(int(value))
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    number = _number(value)
    return _repr(value) if number is None else number


def is_scalar(value: object) -> bool:
    """Whether a value is a number, a text, true, false or none without resort to its `repr`."""
    return value is None or isinstance(value, bool | int | float | str) or _number(value) is not None


def written(value: object) -> Written:
    """Turn any value into what stands for it in a line."""
    known = plain(value)
    if isinstance(known, float) and known - known != 0.0:
        return ODD_NUMBERS[repr(known)]
    return clean(known) if isinstance(known, str) else known


def read(value: object) -> Plain:
    """Turn what stands in a line back into a value. What no writer of ours writes becomes text."""
    if isinstance(value, dict):
        return float(value["f"]) if value.get("f") in ODD_NUMBERS else str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def clean(text: str) -> str:
    """Replace what UTF-8 cannot hold (half of a surrogate pair) by its escape sequence."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _integer(value: int) -> int | float:
    if INTEGER_MIN <= value <= INTEGER_MAX:
        return value
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _number(value: object) -> Plain:
    """The one element of an array or tensor, or any other number; None if it is neither."""
    try:
        item = getattr(value, "item", None)
        if callable(item):
            value = item()
            if isinstance(value, bool | int | float | str):
                return plain(value)
        return float(value) if hasattr(value, "__float__") else None
    except Exception:  # noqa: BLE001 (somebody else's code: an array of several elements, a complex number)
        return None


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 (somebody else's code)
        return f"<{type(value).__name__}>"
