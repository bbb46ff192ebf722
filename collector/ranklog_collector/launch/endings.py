"""How the job's own processes ended, and what `ranklog run` makes of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    """The end of a process that was started here."""

    status: int
    """As waitpid gives it."""
    was_asked: bool = False
    """Whether it was told to end, after another had failed."""
    rank: int = 0
    """Its number among those that were started."""

    @property
    def exit_code(self) -> int:
        """As a shell gives it: 128 and the signal's number for one that a signal ended."""
        code = os.waitstatus_to_exitcode(self.status)
        return code if code >= 0 else 128 - code

    @property
    def has_failed(self) -> bool:
        """Whether it ended badly by itself."""
        return self.status != 0 and not self.was_asked

    @property
    def words(self) -> str:
        """How it ended, in words."""
        code = os.waitstatus_to_exitcode(self.status)
        return f"exited with code {code}" if code >= 0 else f"was ended by {_signal_name(-code)}"


def exit_code(endings: Sequence[Ending], override: int | None) -> int:
    """What `ranklog run` exits with: what the first process to fail did, in the order of `endings`."""
    if override is not None:
        return override
    return next((ending.exit_code for ending in endings if ending.has_failed), 0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
