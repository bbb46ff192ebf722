"""When the bytes of a stream were first seen, on one clock for all nodes."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import islice


@dataclass(slots=True)
class NodeClock:
    """How far a node's clock is behind the collector's, over the life of the run."""

    offset_ns: int = 0
    error_ns: int = 0
    _since: list[int] = field(default_factory=list)
    _offsets: list[int] = field(default_factory=list)

    def set(self, offset_ns: int, error_ns: int, time: int) -> None:
        """Take a measurement made at `time` of the collector's clock."""
        self.offset_ns, self.error_ns = offset_ns, error_ns
        self._since.append(time - offset_ns)
        self._offsets.append(offset_ns)

    def correct(self, time: int) -> int:
        """Translate a time of the node to the collector's clock; before the first measurement, with that one."""
        if len(self._offsets) <= 1:
            return time + self.offset_ns
        return time + self._offsets[max(0, bisect_right(self._since, time) - 1)]

    @property
    def measurements(self) -> int:
        """How many there were."""
        return len(self._offsets)

    @property
    def largest_offset_ns(self) -> int:
        """The measured offset that is furthest from 0."""
        return max(self._offsets, key=abs, default=0)


@dataclass(frozen=True, slots=True)
class Moments:
    """Which bytes of a stream came when, on the collector's clock."""

    positions: array[int]
    times: list[int]
    otherwise: int = 0
    """What is told of bytes if there is no sighting at all."""

    def of(self, end: int) -> int:
        """When the byte before `end` was first seen; for bytes that no sighting covers, when the last ones were."""
        if not self.times:
            return self.otherwise
        return self.times[min(bisect_left(self.positions, end), len(self.times) - 1)]

    def before(self, time: int) -> int:
        """How many bytes had been seen before `time`."""
        index = bisect_left(self.times, time)
        return self.positions[index - 1] if index else 0


@dataclass(slots=True)
class Timeline:
    """The sightings of one stream: at a time of the node's clock its source held all bytes before a position."""

    positions: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    _corrected: list[int] = field(default_factory=list)
    _measurements: int = 0

    def add(self, position: int, time: int) -> None:
        """Append a sighting; one that says nothing new is dropped."""
        if not self.positions or position > self.positions[-1]:
            self.times.append(time)
            self.positions.append(position)

    def cut(self, size: int) -> None:
        """Forget what was seen of bytes behind `size`."""
        keep = bisect_right(self.positions, size)
        if keep < len(self.positions) and size > (self.positions[keep - 1] if keep else 0):
            self.positions[keep] = size
            keep += 1
        for column in (self.positions, self.times, self._corrected):
            del column[keep:]

    def moments(self, clock: NodeClock, otherwise: int = 0) -> Moments:
        """Translate to the collector's clock, never falling: a stream's own order is beyond doubt, clocks are not."""
        if clock.measurements != self._measurements:
            self._corrected, self._measurements = [], clock.measurements
        known = self._corrected
        latest = known[-1] if known else 0
        for time in islice(self.times, len(known), None):
            latest = max(latest, clock.correct(time))
            known.append(latest)
        return Moments(self.positions, known, otherwise)

    def last(self, clock: NodeClock) -> int | None:
        """When the last bytes were seen, on the collector's clock."""
        return clock.correct(self.times[-1]) if self.times else None
