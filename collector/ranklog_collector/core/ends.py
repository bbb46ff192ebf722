"""Which of a life's bad ends can have been the first: a kill is noticed later than what follows from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

NOTICED_NS = 1_000_000_000
"""That a process was killed may be noticed so much later than its peers end for it: its connections are closed first,
and `exec` takes its last words before it looks."""
EARLY_NS = 3_000_000_000
"""Who has ended with 0 for so long while most of the others run has ended early."""
AT_ONCE_NS = 2_000_000_000
"""Whoever ends all processes of a job has done so within so long."""


@dataclass(slots=True)
class Ends:
    """Of the processes of one life of the job, those that may have failed. Times are ns on the collector's clock."""

    started: int = 0
    """How many processes the life has."""
    _first: tuple[int, int] | None = None
    """When the first of these ended, and the error of that."""
    _alone: int = 0
    """How many of these were ended by a signal that reached them alone."""
    _grouped: int = 0
    """How many were killed with their `ranklog exec`."""
    _killed_first_ns: int = 0
    _killed_last_ns: int = 0

    def add(self, ended_ns: int, error_ns: int, was_alone: bool, was_grouped: bool) -> None:
        """Take one in; neither, if it failed otherwise."""
        self._first = min((ended_ns, error_ns), self._first or (ended_ns, error_ns))
        self._alone += was_alone
        self._grouped += was_grouped
        if was_alone or was_grouped:
            self._killed_first_ns = min(ended_ns, self._killed_first_ns or ended_ns)
            self._killed_last_ns = max(ended_ns, self._killed_last_ns)

    @property
    def are_at_once(self) -> bool:
        """Whether somebody has ended all of several processes in the same way, so that none of them was first."""
        are_all = self.started > 1 and self.started in (self._alone, self._grouped)
        return are_all and self._killed_last_ns - self._killed_first_ns <= AT_ONCE_NS

    def may_be_first(self, ended_ns: int, error_ns: int, was_alone: bool) -> bool:
        """Whether an end was the first of the bad ones; of who was killed alone, unless others surely were before.

        Launchers kill whole groups, and that in no time after the first failure.
        """
        if self._first is None:
            return True
        first_ns, its_error_ns = self._first
        if was_alone:
            return ended_ns <= first_ns + NOTICED_NS + error_ns + its_error_ns
        return ended_ns <= first_ns and not self._alone
