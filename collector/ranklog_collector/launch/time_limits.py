"""The time that a command is given by `timeout` before it. Pure."""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ranklog_collector.launch.known import WRAPPERS
from ranklog_collector.launch.options import UnknownOptionError, head_of

TIMED_OUT, KILLED = 124, 137
"""What `timeout` exits with when the time is up, and when it had to kill."""
_TIMEOUT = "timeout"
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class TimeLimit:
    """What a command may take."""

    seconds: float
    words: str
    """As the command says it: `timeout 60`."""

    def is_reached(self, exit_code: int, elapsed_s: float) -> bool:
        """Whether that is why the command has ended so, after so long."""
        return exit_code == TIMED_OUT or (exit_code == KILLED and elapsed_s >= self.seconds)


def time_limit(words: Sequence[str]) -> TimeLimit | None:
    """Find it among the wrappers at the beginning of a command; None if there is none."""
    while (name := os.path.basename(words[0]) if words else "") in WRAPPERS:
        try:
            length = 1 + head_of(words[1:], WRAPPERS[name]).length
        except UnknownOptionError:
            return None
        if name == _TIMEOUT:
            duration = _DURATION.fullmatch(words[length - 1])
            seconds = float(duration[1]) * _UNITS[duration[2]] if duration else 0.0
            return TimeLimit(seconds, f"{_TIMEOUT} {words[length - 1]}") if seconds else None
        words = words[length:]
        while name == "env" and words and "=" in words[0]:
            words = words[1:]
    return None
