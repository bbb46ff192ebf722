"""What a collector counts of itself. Plain numbers: counting costs nothing, whoever wants them reads them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

SYNC_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Durations:
    """How long something took, each time."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SYNC_BOUNDS_S) + 1))
    """How often it was at most each bound, and above the one before; the last is what was above all."""
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count once more."""
        self.counts[bisect_left(SYNC_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


@dataclass(slots=True)
class Counters:
    """What has happened since the collector was started."""

    sessions: int = 0
    """Agents that were let in."""
    sessions_refused: int = 0
    received_bytes: int = 0
    """New ones, durable or not; what is sent again after a fall-back counts again."""
    durable_bytes: int = 0
    chunks_refused: int = 0
    """Did not continue what is held, or did not have the right checksum: they were sent again."""
    pauses: int = 0
    """How often a run folder could not be written."""
    syncs: Durations = field(default_factory=Durations)


@dataclass(frozen=True, slots=True)
class Figures:
    """A collector at a moment."""

    time_s: float
    """By the machine's monotonic clock."""
    agents: int
    runs: int
    runs_paused: int
    streams: int
    counters: Counters
