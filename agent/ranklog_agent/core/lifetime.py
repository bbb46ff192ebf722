"""When the job on this node is over, so that a sidecar ends by itself and never too soon.

Ranks come late, end at different times and are restarted by elastic launchers. While the launcher's daemon that started
them lives, more may come. Once every known process is gone and so are the daemons, nothing more can come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SETTLE_S = 0.5
"""How long nothing must be alive before the job counts as over: a launcher may just be starting the next rank."""


@dataclass(slots=True)
class Lifetime:
    """What is known of the job's processes on this node. Times are of a monotonic clock, in seconds."""

    _alive: dict[str, int] = field(default_factory=dict)
    _launchers: set[int] = field(default_factory=set)
    _seen_any: bool = False
    _quiet_since_s: float | None = None

    def started(self, key: str, pid: int, launcher_pid: int | None) -> None:
        """A process of the job, and the daemon that may start more of them."""
        self._seen_any = True
        self._quiet_since_s = None
        self._alive[key] = pid
        if launcher_pid:
            self._launchers.add(launcher_pid)

    def ended(self, key: str) -> None:
        """A process is gone."""
        self._alive.pop(key, None)

    def launcher_ended(self, pid: int) -> None:
        """A launcher's daemon is gone."""
        self._launchers.discard(pid)

    @property
    def alive(self) -> dict[str, int]:
        """Processes believed to run: key → pid."""
        return dict(self._alive)

    @property
    def launchers(self) -> set[int]:
        """Launcher daemons believed to run."""
        return set(self._launchers)

    def is_over(self, now_s: float) -> bool:
        """Whether there was a job and nothing of it is left."""
        if not self._seen_any or self._alive or self._launchers:
            self._quiet_since_s = None
            return False
        if self._quiet_since_s is None:
            self._quiet_since_s = now_s
        return now_s - self._quiet_since_s >= SETTLE_S
