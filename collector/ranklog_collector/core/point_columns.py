"""Points as columns: arrays of equal length, in the order of their lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ranklog_collector.core.point_values import SCALAR, TYPES, encode

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_EXACT = 1 << 53


@dataclass(slots=True)
class Points:
    """`names`, `kinds` and `types` are numbers of a stream's metrics, KINDS and TYPES."""

    names: Ints
    kinds: Ints
    times: Ints
    at: Ints
    """Offsets of the lines; `places` are those within a line."""
    places: Ints
    steps: Ints
    is_logged: Bools | None
    """Which steps were logged; None if all were. Those that were not are 0."""
    types: Ints
    values: Floats
    """NaN also where there is no number: `types` tells."""
    texts: list[str | None] | None
    """None if there are none."""
    n: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Ordinals among the points of a metric, as soon as they are known."""

    def __len__(self) -> int:
        """How many."""
        return len(self.at)

    def number(self, n: Ints) -> None:
        """Say what the ordinals are. They stand for the steps that were not logged."""
        self.n = n
        if self.is_logged is not None:
            self.steps = np.where(self.is_logged, self.steps, n)
            self.is_logged = None


@dataclass(slots=True)
class Rows:
    """Points that are put together one by one."""

    names: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    steps: list[int | None] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    """As JSON has them; of lists, rows and tables as text."""

    def points(self) -> Points:
        """Make arrays of them."""
        steps, is_logged = steps_of(self.steps)
        types, values, texts = _encoded(self.values, self.kinds)
        names, kinds, times, at, places = (
            np.array(column, np.int64) for column in (self.names, self.kinds, self.times, self.at, self.places)
        )
        return Points(names, kinds, times, at, places, steps, is_logged, types, values, texts)


def scalars(
    names: Ints,
    times: Ints,
    at: Ints,
    steps: Ints,
    is_logged: Bools | None,
    values: list[Any],
    places: Ints | None = None,
) -> Points:
    """Make points of values; without `places` each has a line of its own."""
    kinds, places = np.full(len(at), SCALAR, np.int64), np.zeros(len(at), np.int64) if places is None else places
    types, numbers, texts = _encoded(values, None)
    return Points(names, kinds, times, at, places, steps, is_logged, types, numbers, texts)


def steps_of(steps: list[int | None]) -> tuple[Ints, Bools | None]:
    """Turn steps, some of which were perhaps not logged, into an array, and tell which were; None if all were."""
    if None not in steps:
        return np.array(steps, np.int64), None
    logged = np.array([step is not None for step in steps], bool)
    return np.array([step or 0 for step in steps], np.int64), logged


def joined(parts: Sequence[Points]) -> Points:
    """Put points behind each other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Rows().points()
    texts: list[str | None] | None = None
    if any(part.texts is not None for part in parts):
        texts = [text for part in parts for text in part.texts or [None] * len(part)]
    is_logged: Bools | None = None
    if any(part.is_logged is not None for part in parts):
        is_logged = np.concatenate(
            [np.ones(len(part), bool) if part.is_logged is None else part.is_logged for part in parts]
        )
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("names", "kinds", "times", "at", "places", "steps", "types", "values")
    }
    return Points(**columns, is_logged=is_logged, texts=texts)


def _encoded(values: list[Any], kinds: list[int] | None) -> tuple[Ints, Floats, list[str | None] | None]:
    found = set(map(type, values))
    if found == {float}:
        return np.full(len(values), TYPES["float"], np.int64), np.array(values, np.float64), None
    if found == {int} and min(values) >= -_EXACT and max(values) <= _EXACT:
        return np.full(len(values), TYPES["int"], np.int64), np.array(values, np.float64), None
    if not values:
        return np.zeros(0, np.int64), np.zeros(0, np.float64), None
    encoded = [encode(value, kind) for value, kind in zip(values, kinds or [SCALAR] * len(values), strict=True)]
    types, numbers, texts = (list(column) for column in zip(*encoded, strict=True))
    has_text = any(text is not None for text in texts)
    return np.array(types, np.int64), np.array(numbers, np.float64), texts if has_text else None
