"""Whether what a stream has grown by says a metric, for a job that only prints its metrics."""

from __future__ import annotations

import os

from ranklog_collector.core.points import Names
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series.readings import Reading, readings

_BEFORE_BYTES = 4 << 10
"""So much of a line may have been there already."""
_BYTES_MAX = 256 << 10
"""More than this is not looked through: it may well be."""


class PrintedNews:
    """Of a run as its folder is known to be now."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._readings: dict[int, Reading] | None = None

    def are_in(self, stream: int, begin: int, end: int) -> bool:
        """Whether a stream has a metric in a line that ended between two offsets."""
        if self._readings is None:
            self._readings = {one.stream.number: one for one in readings(self._folder) if one.is_printed}
        reading = self._readings.get(stream)
        if reading is None:
            return False
        if end - begin > _BYTES_MAX:
            return True
        start = max(0, begin - _BEFORE_BYTES)
        try:
            with self._folder.opened(reading.stream) as file:
                data = os.pread(file, end - start, start)
        except OSError:
            return False
        first, last = data.rfind(b"\n", 0, begin - start) + 1, data.rfind(b"\n") + 1
        return first < last and len(reading.parse(data[first:last], start + first, Names()).points) > 0
