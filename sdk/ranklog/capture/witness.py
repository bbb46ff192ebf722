"""A process beside the child whose only purpose is to get the signals that the child gets as well."""

import os

from ranklog.capture.descriptors import STDERR, STDOUT, let_go, others
from ranklog.capture.lean import signal
from ranklog.capture.prctl import SET_NAME, SET_PDEATHSIG, prctl

NAME = b"ranklog-witness"


class Witness:
    """In the same session and process group as the child, with the same parent, and all signals blocked.

    To be made with all signals blocked. Where there is no room for another process, there is none.
    """

    def __init__(self) -> None:
        self.report: int | None
        """Gives the numbers of the witness's signals, and never blocks."""
        self.report, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.report, False)
        parent = os.getpid()
        try:
            self._pid = os.fork()
        except OSError:
            self._pid, self.report = -1, None
        if self._pid == 0:
            _watch(parent, writing)
        os.close(writing)

    def end(self) -> None:
        """Take it away, so that the launcher finds nobody of ours left."""
        if self._pid > 0:
            try:
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
            except (ProcessLookupError, ChildProcessError):  # somebody else has, and it is buried
                pass


def _watch(parent: int, report: int) -> None:
    try:
        prctl(SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
        let_go([number for number in (STDOUT, STDERR, *others()) if number != report])
        prctl(SET_NAME, NAME)
        everything = signal.valid_signals()
        while True:
            os.write(report, bytes([signal.sigwait(everything)]))
    finally:
        os._exit(0)
