"""How long to wait before the next attempt to reach the collector."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_S = 0.1
MOST_S = 5.0


@dataclass(slots=True)
class Backoff:
    """Doubles from FIRST_S to MOST_S.

    Thousands of agents must not come back in step, so each wait is drawn from the upper half of its range.
    """

    _next_s: float = FIRST_S

    def wait_s(self, draw: float) -> float:
        """The next wait in seconds; `draw` is a random number in [0, 1)."""
        wait = self._next_s * (0.5 + draw / 2)
        self._next_s = min(self._next_s * 2, MOST_S)
        return wait

    def reset(self) -> None:
        """The collector was reached."""
        self._next_s = FIRST_S
