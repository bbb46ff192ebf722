"""A process beside the child whose only purpose is to get the signals that the child gets as well."""

import os

from ranklog.capture.aside import Aside
from ranklog.capture.descriptors import STDERR, STDOUT, keep_only
from ranklog.capture.lean import signal
from ranklog.capture.prctl import SET_NAME, SET_PDEATHSIG, prctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

NAME = b"ranklog-witness"


class Witness(Aside):
    """In the same session and process group as the child, with the same parent, and all signals blocked."""

    def __init__(self) -> None:
        parent = os.getpid()
        reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reading, False)
        super().__init__(lambda: _watch(parent, writing))
        os.close(writing)
        self.report = reading if self.is_there else None
        """Gives the numbers of the witness's signals, and never blocks."""


def _watch(parent: int, report: int) -> "NoReturn":
    prctl(SET_PDEATHSIG, signal.SIGKILL)
    keep_only([report])
    os.close(STDOUT)
    os.close(STDERR)
    prctl(SET_NAME, NAME)
    everything = signal.valid_signals()
    while os.getppid() == parent:
        os.write(report, bytes([signal.sigwait(everything)]))
    os._exit(0)
