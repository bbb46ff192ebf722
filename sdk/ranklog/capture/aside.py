"""Processes that `ranklog exec` has beside the command."""

import os

from ranklog.capture.lean import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


class Aside:
    """A forked process, to be made while all signals are blocked. If there is no room for it, there is none."""

    def __init__(self, work: "Callable[[], NoReturn]") -> None:
        try:
            self._pid = os.fork()
        except OSError:
            self._pid = -1
        if self._pid == 0:
            try:
                work()
            finally:
                os._exit(1)

    @property
    def is_there(self) -> bool:
        """Whether there was room for it."""
        return self._pid > 0

    def end(self) -> None:
        """Take it away, so that the launcher finds nobody of ours left."""
        if self.is_there:
            try:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
            except (ProcessLookupError, ChildProcessError):  # it has ended before, and is buried
                pass
