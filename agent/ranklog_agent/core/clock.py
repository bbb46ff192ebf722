"""How far the collector's clock is from ours: the usual four timestamps, the sample with the shortest round trip."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

SAMPLES = 60


@dataclass(frozen=True, slots=True)
class Offset:
    """Collector's clock minus ours, and the most by which that can be wrong, in ns."""

    offset_ns: int
    error_ns: int


@dataclass(slots=True)
class Clock:
    """The samples of the last minute, at one a second."""

    _samples: deque[Offset] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def sample(self, sent_ns: int, received_ns: int, answered_ns: int, back_ns: int) -> None:
        """Note an exchange: our clock at sending, the peer's at receipt and answer, ours at the answer's arrival."""
        error = ((back_ns - sent_ns) - (answered_ns - received_ns)) // 2
        if error >= 0:
            offset = ((received_ns - sent_ns) + (answered_ns - back_ns)) // 2
            self._samples.append(Offset(offset, max(error, 1)))

    @property
    def best(self) -> Offset | None:
        """The sample that can be least wrong."""
        return min(self._samples, key=lambda sample: sample.error_ns, default=None)
