"""A process that finishes what `ranklog exec` could not, when that is killed."""

import os
from select import POLLIN, poll
from time import monotonic, time_ns

from ranklog.capture.aside import Aside
from ranklog.capture.descriptors import keep_only
from ranklog.capture.lean import signal
from ranklog.capture.prctl import SET_NAME, prctl
from ranklog.capture.source import DESCENDANTS_S, QUIET_S, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from ranklog.capture.command import Capture

NAME = b"ranklog-heir"


class Heir(Aside):
    """Takes the command's last words and writes how it ended, if nobody else can any more.

    MPICH kills the whole process group of a rank, `ranklog exec` included, the moment that the rank calls MPI_Abort. So
    the heir has a session of its own. It sleeps until the other end of its pipe is closed: by our death, or never.
    """

    def __init__(self, capture: "Capture", sources: "Sequence[Source]") -> None:
        reading, self._telling = os.pipe2(os.O_CLOEXEC)
        super().__init__(lambda: _wait(reading, capture, sources))
        os.close(reading)

    def tell(self, status: int) -> None:
        """Let it know the wait status of the command, since it is not its parent."""
        try:  # noqa: SIM105 (contextlib costs a rank 4 ms)
            os.write(self._telling, status.to_bytes(4, "little"))
        except BrokenPipeError:  # there is none
            pass


def _wait(will: int, capture: "Capture", sources: "Sequence[Source]") -> "NoReturn":
    os.setsid()
    prctl(SET_NAME, NAME)
    keep_only([will, *capture.descriptors()])
    told = b""
    while part := os.read(will, 4):
        told = part
    for source in sources:
        source.console = None
        for tape in source.tapes:
            tape.catch_up()
    _drain(sources)
    if told or not _is_alive(capture.child.pid):
        # Untold it died with us: the kernel sends it SIGKILL then.
        capture.child.status = int.from_bytes(told, "little") if told else int(signal.SIGKILL)
        capture.write_exit(time_ns())
    os._exit(0)


def _drain(sources: "Sequence[Source]") -> None:
    until_s = monotonic() + DESCENDANTS_S
    poller = poll()
    for source in sources:
        poller.register(source.ours, POLLIN)
    while any(source.is_open for source in sources) and monotonic() < until_s and poller.poll(QUIET_S * 1000):
        for source in sources:
            if source.is_open:
                source.take(monotonic())
                if not source.is_open:
                    poller.unregister(source.ours)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
