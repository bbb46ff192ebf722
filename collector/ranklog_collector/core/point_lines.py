"""Lines to JSON objects, also where a line is damaged. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from ranklog.points.reading import LINE_BYTES_MAX, salvaged
from ranklog_collector.core.point_columns import Ints

_ALONE = 16
"""So many lines are no longer halved to find the damaged one."""
_NEWLINE = 10

Line = dict[str, Any]


class Lines:
    """A block of whole lines, the first of which is at `offset` of its file.

    What stands behind the last newline is not there yet.
    """

    def __init__(self, data: bytes, offset: int) -> None:
        self.damaged = 0
        """Lines that are no objects, or of which only the end is one; also those that are too long."""
        self._data = data
        self._offset = offset
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE) + 1
        self._bounds = np.concatenate((np.zeros(1, np.int64), ends))

    def __iter__(self) -> Iterator[tuple[list[Line], Ints]]:
        """Yield objects and the offsets of their lines: all at once, or in the parts around the damage."""
        return self._load(self._bounds)

    def _load(self, bounds: Ints) -> Iterator[tuple[list[Line], Ints]]:
        loaded = self._objects(bounds)
        if loaded is not None:
            yield loaded, bounds[:-1] + self._offset
        elif len(bounds) > _ALONE:
            middle = len(bounds) // 2
            yield from self._load(bounds[: middle + 1])
            yield from self._load(bounds[middle:])
        else:
            for index in range(len(bounds) - 1):
                one = self._load_one(self._data[bounds[index] : bounds[index + 1] - 1])
                if one is not None:
                    yield [one], bounds[index : index + 1] + self._offset

    def _objects(self, bounds: Ints) -> list[Line] | None:
        """All lines, if each is an object."""
        count = len(bounds) - 1
        if not count:
            return []
        if int(np.diff(bounds).max()) > LINE_BYTES_MAX + 1:
            return None
        try:
            listed = self._data[bounds[0] : bounds[-1] - 1].replace(b"\n", b",")
            loaded: list[Line] = orjson.loads(b"[" + listed + b"]")
        except orjson.JSONDecodeError:
            return None
        return loaded if len(loaded) == count and set(map(type, loaded)) == {dict} else None

    def _load_one(self, line: bytes) -> Line | None:
        if len(line) > LINE_BYTES_MAX:
            self.damaged += 1
            return None
        whole = _object(line)
        if whole is not None:
            return whole
        if not line.strip(b"\0 \r\t"):
            return None  # nothing was lost
        self.damaged += 1
        return salvaged(line)


def _object(line: bytes) -> Line | None:
    try:
        loaded = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return loaded if type(loaded) is dict else None
