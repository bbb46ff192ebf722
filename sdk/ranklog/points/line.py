"""What is logged as a line of JSON. Pure: the clock is the caller's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from ranklog.points.values import clean, plain, written

END = orjson.OPT_APPEND_NEWLINE
START = b'{"t":'
NESTED_START = b'{"\\u0074":'
"""Where a cut line was followed by another, readers find that by its start: it must not occur within a line."""


def value(
    time_ns: int, name: str, value: object, step: object = None, description: str | None = None, run: str | None = None
) -> bytes:
    """Write one value of a metric. `run` is the child run that it is about."""
    kind = type(value)
    # What nearly every call has needs no second look. A difference to itself has only a finite number.
    if (kind is float and value - value == 0.0) or kind is int or kind is bool:  # type: ignore[operator]
        fields: dict[str, object] = {"t": time_ns, "k": name if type(name) is str else str(name), "v": value}
    else:
        fields = {"t": time_ns, "k": str(name), "v": written(value)}
    if step is not None and (whole_step := step if type(step) is int else whole(step)) is not None:
        fields["s"] = whole_step
    if description:
        fields["d"] = str(description)
    if run is not None:
        fields["r"] = run
    try:
        return orjson.dumps(fields, None, END)
    except TypeError:  # text that is not UTF-8, an integer beyond 64 bits
        return orjson.dumps(_clean(fields), None, END)


def entry(
    time_ns: int,
    fields: Mapping[str, object],
    *,
    name: str | None = None,
    description: str | None = None,
    run: str | None = None,
) -> bytes:
    """Write any other line: members as in points.md, values as `written` gives them."""
    line: dict[str, object] = {"t": time_ns}
    if name is not None:
        line["k"] = str(name)
    line |= fields
    if description:
        line["d"] = str(description)
    if run is not None:
        line["r"] = run
    try:
        text = orjson.dumps(line, None, END)
    except TypeError:
        text = orjson.dumps(_clean(line), None, END)
    return text[:1] + text[1:].replace(START, NESTED_START)


def lost(time_ns: int, count: int) -> bytes:
    """Write that so many lines could not be written before this one."""
    return orjson.dumps({"t": time_ns, "lost": count}, None, END)


def whole(step: object) -> int | None:
    """Turn a step into an integer; None if it is none."""
    known = plain(step)
    if isinstance(known, int):
        return int(known)
    return int(known) if isinstance(known, float) and known.is_integer() else None


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean(str(value))
    if isinstance(value, Mapping):
        return {clean(str(name)): _clean(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_clean(item) for item in value]
    return plain(value)
