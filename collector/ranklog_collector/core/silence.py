"""When a job has been silent for so long that it is worth a look at where its processes are."""

from __future__ import annotations

SPEAKING = frozenset({"stdout", "stderr", "metrics", "log", "output_file", "artifact"})
"""Roles of the streams by which processes speak."""
OBSERVED = "resources"
"""What agents observe of processes are points as well, but nothing that these say."""


class Silence:
    """Counts the silence of one run; each time it has become twice as long as last time, that is news again.

    Times are nanoseconds of any clock that does not go back.
    """

    def __init__(self, after_ns: int) -> None:
        self._after_ns = after_ns
        """0: never."""
        self._since_ns: int | None = None
        self._due_ns = after_ns

    def broken(self, now_ns: int) -> None:
        """Somebody has said something, or a process has come or gone."""
        self._since_ns, self._due_ns = now_ns, self._after_ns

    def is_news(self, now_ns: int) -> bool:
        """Whether the silence has just become long."""
        if not self._after_ns:
            return False
        if self._since_ns is None:
            self._since_ns = now_ns
        if now_ns - self._since_ns < self._due_ns:
            return False
        self._due_ns = 2 * (now_ns - self._since_ns)
        return True
