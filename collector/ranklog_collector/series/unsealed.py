"""The numbers of a run of which nothing is sealed yet, as arrays: so few do without a database and its memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ranklog_collector.core.point_columns import Points
from ranklog_collector.core.point_values import NUMBERS, SCALAR, TYPES
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series.covers import Cover
from ranklog_collector.series.memory import Memory
from ranklog_collector.series.readings import Reading, readings
from ranklog_collector.series.segments import found_segments
from ranklog_collector.series.shapes import Floats, Ints

BYTES_MAX = 16 << 20
"""Of all streams. Whoever reads more than that has it sealed first."""
_NUMBERS = [TYPES[name] for name in NUMBERS]


class Numbers(NamedTuple):
    """Some values of one stream, in the order of their lines."""

    metrics: Ints
    """Which metric each is of, by its number in the stream's totals."""
    times: Ints
    steps: Ints
    values: Floats


class Unsealed:
    """The numbers of one run folder. For one thread at a time."""

    def __init__(self) -> None:
        self.covers: dict[int, Cover] = {}
        self.memory = Memory()
        """For what readers want to keep of this run; it is cleared when points are taken back."""
        self._parts: dict[int, list[Numbers]] = {}

    def refresh(self, folder: RunFolder) -> bool:
        """Take in what the streams have grown by, unless they are long, or sealed in part: then gives False.

        Raises ReadingError.
        """
        found = readings(folder)
        is_long = sum(one.stream.size for one in found) > BYTES_MAX
        if is_long or any(found_segments(folder.path, one.stream.number) for one in found):
            self._forget()
            return False
        for one in found:
            try:
                with folder.opened(one.stream) as file:
                    self._grow(one, file)
            except FileNotFoundError:
                continue  # nothing has come yet, or it has been taken back
            except OSError as error:
                raise ReadingError(f"{one.stream.path} cannot be read: {error.strerror or error}") from error
        return True

    def numbers(self, stream: int, run: str, key: str) -> Numbers:
        """All values of a metric."""
        number = self.covers[stream].totals.names.find(run, key)
        parts = self._parts[stream]
        chosen = [part.metrics == number for part in parts]
        return Numbers(
            *(
                np.concatenate([of[rows] for of, rows in zip(column, chosen, strict=True)])
                for column in zip(*parts, strict=True)
            )
        )

    def _grow(self, reading: Reading, file: int) -> None:
        number = reading.stream.number
        cover = self.covers.get(number)
        if cover is None or not cover.holds(reading, file):
            if cover is not None:
                self.memory.clear()
            cover = self.covers[number] = Cover(rewrites=reading.stream.rewrites, manner=reading.manner)
            self._parts[number] = []
        self._parts[number] += [_numbers(points) for points in cover.grow(reading, file)]

    def _forget(self) -> None:
        self.covers.clear()
        self.memory.clear()
        self._parts.clear()


def _numbers(points: Points) -> Numbers:
    rows = np.flatnonzero((points.kinds == SCALAR) & np.isin(points.types, _NUMBERS))
    return Numbers(points.names[rows], points.times[rows], points.steps[rows], points.values[rows])
