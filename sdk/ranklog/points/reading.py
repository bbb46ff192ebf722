"""Lines of points read back, whatever happened to them (docs/reference/points.md, damage). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ranklog.points.line import START
from ranklog.points.values import read

LINE_BYTES_MAX = 16 << 20
"""Longer lines are skipped."""
STARTS_MAX = 64
"""In so many places of a damaged line the next writer's is looked for."""
FILE_KINDS = frozenset(("image", "confusion_matrix", "accuracy_table", "predictions", "residuals"))

Line = dict[str, Any]


def lines(raw: bytes) -> Iterator[Line]:
    """Yield the lines that say something; a last one without its end is not there yet."""
    for text in raw[: raw.rfind(b"\n") + 1].split(b"\n"):
        if text and len(text) <= LINE_BYTES_MAX and (found := _object(text) or salvaged(text)):
            yield found


def records(line: Line) -> Iterator[Line]:
    """Yield the points of a line: `key, kind, value, step, time_ns`."""
    common = {"time_ns": line["t"], "step": line.get("s")}
    if isinstance(line.get("m"), dict):
        for name, value in line["m"].items():
            yield {"key": name, "kind": "scalar", "value": read(value), **common}
    name = line.get("k")
    if not isinstance(name, str):
        return
    if isinstance(line.get("vs"), list):
        yield from _many(name, line, common)
        return
    shaped = _shaped(line)
    if shaped is not None:
        yield {"key": name, "kind": shaped[0], "value": shaped[1], **common}


def _many(name: str, line: Line, common: Line) -> Iterator[Line]:
    values, times, steps = line["vs"], line.get("ts"), line.get("ss")
    for place, value in enumerate(values):
        point = {"key": name, "kind": "scalar", "value": read(value), **common}
        if isinstance(times, list) and len(times) == len(values):
            point["time_ns"] = times[place]
        if isinstance(steps, list) and len(steps) == len(values):
            point["step"] = steps[place]
        yield point


def _shaped(line: Line) -> tuple[str, Any] | None:
    if "v" in line:
        return "scalar", read(line["v"])
    if isinstance(line.get("list"), list):
        return "list", [read(value) for value in line["list"]]
    if isinstance(line.get("row"), dict):
        return "row", {name: read(value) for name, value in line["row"].items()}
    table = line.get("table")
    if isinstance(table, dict) and all(isinstance(column, list) for column in table.values()):
        return "table", {name: [read(value) for value in column] for name, column in table.items()}
    if line.get("kind") in FILE_KINDS and isinstance(line.get("file"), str):
        return line["kind"], line["file"]
    return None


def salvaged(text: bytes) -> Line | None:
    """Read what stands in a line behind a piece of another that a full disk cut short."""
    at = len(text)
    for _ in range(STARTS_MAX):
        at = text.rfind(START, 0, at)
        if at < 0:
            return None
        if (found := _object(text[at:])) is not None:
            return found
    return None


def _object(text: bytes) -> Line | None:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    is_line = isinstance(found, dict) and isinstance(found.get("t"), int) and not isinstance(found["t"], bool)
    return found if is_line else None
