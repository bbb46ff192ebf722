"""Which runs have so many new points that they are worth to be sealed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SEAL_BYTES = 1 << 20
"""As long as a run goes on, a stream is sealed when so many bytes of it are not."""
LAST_BYTES = 128 << 10
"""When it has ended, so many are enough: less is parsed as quickly as a segment is opened."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The points of one run as far as they have come: bytes by the number of their stream."""

    sizes: Mapping[int, int]
    is_ended: bool


@dataclass(slots=True)
class Backlog:
    """What was asked to be sealed, by the run's folder."""

    _asked: dict[str, Collected] = field(default_factory=dict)

    def due(self, runs: Mapping[str, Collected]) -> list[str]:
        """Tell the folders to be sealed now; of what is told it is taken for granted that it will be done."""
        self._asked = {folder: asked for folder, asked in self._asked.items() if folder in runs}
        found = []
        for folder, now in runs.items():
            before = self._asked.get(folder, Collected({}, is_ended=False))
            least = LAST_BYTES if now.is_ended else SEAL_BYTES
            if any(size - before.sizes.get(stream, 0) >= least for stream, size in now.sizes.items()) or (
                now.is_ended and not before.is_ended and any(size >= LAST_BYTES for size in now.sizes.values())
            ):
                self._asked[folder] = Collected(dict(now.sizes), now.is_ended)
                found.append(folder)
        return found

    def forget(self) -> None:
        """Take nothing for granted: whoever was asked is gone."""
        self._asked.clear()
