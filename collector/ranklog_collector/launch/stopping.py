"""What a signal to `ranklog run` means: facts in, actions out. No signals, no processes, no clocks.

The first request to stop is the job's to heed, however long it takes to save its state. The second one ends the job;
once the job is over, it ends the waiting for the last bytes.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FORWARDED = (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
SAME_S = 0.1
"""A signal that comes again so soon was sent twice, unless somebody pressed a key again: `timeout` tells its child, and
then the whole process group."""


@dataclass(frozen=True)
class Forward:
    """Pass a signal on to the job's processes."""

    number: int


@dataclass(frozen=True)
class Kill:
    """End the job's processes, all of them, at once."""


@dataclass(frozen=True)
class Hurry:
    """Wait no longer for what is still under way."""


@dataclass(frozen=True)
class Say:
    """Tell the user."""

    text: str


Action = Forward | Kill | Hurry | Say


@dataclass
class Stopping:
    """Requests to stop so far."""

    exit_code: int | None = None
    """What to exit with, whatever the job exits with; None if that is the job's to say."""
    first: int | None = None
    """The signal that asked to stop first."""
    is_job_over: bool = False
    _latest: tuple[int, float] = (0, 0.0)

    def take(self, number: int, is_from_terminal: bool, now_s: float) -> list[Action]:
        """Take a signal. A terminal sends its signals to the job as well, so those are not passed on."""
        if number not in STOPPING:
            return [] if is_from_terminal or self.is_job_over else [Forward(number)]
        before, self._latest = self._latest, (number, now_s)
        if not is_from_terminal and before[0] == number and now_s - before[1] < SAME_S:
            return []
        if self.is_job_over:
            self.exit_code = 128 + number
            return [Hurry()]
        if self.first is None:
            self.first = number
            return self._ask(number, is_from_terminal)
        self.exit_code = 128 + self.first
        return [Say("killing the job"), Kill()]

    def _ask(self, number: int, is_from_terminal: bool) -> list[Action]:
        if number == signal.SIGINT:
            words = Say("stopping; press Ctrl-C again to kill")
        else:
            self.exit_code = 128 + number
            words = Say(f"{signal.Signals(number).name} is passed on to the job; a second one kills it")
        return [words] if is_from_terminal else [Forward(number), words]
