"""A process that finishes what `ranklog exec` could not, when that is killed."""

import os
from select import POLLIN, poll
from time import monotonic, sleep, time_ns

from ranklog.capture.aside import Aside
from ranklog.capture.descriptors import keep_only
from ranklog.capture.lean import signal
from ranklog.capture.prctl import SET_NAME, prctl
from ranklog.capture.source import DESCENDANTS_S, QUIET_S, STALLED_S, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from ranklog.capture.command import Capture
    from ranklog.capture.console import Console

NAME = b"ranklog-heir"
DEATH_S = 1.0
"""How long the command may take to die of SIGKILL."""


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
    keep_only([will, *(number for source in sources for number in source.descriptors())])
    told = b""
    while part := os.read(will, 4):
        told = part
    _take_over(sources)
    if told or _has_died(capture.child.pid):
        # Untold it died with us: the kernel sends it SIGKILL then.
        capture.child.status = int.from_bytes(told, "little") if told else int(signal.SIGKILL)
        capture.write_exit(time_ns())
    _part([source.console for source in sources if source.console is not None])
    os._exit(0)


def _take_over(sources: "Sequence[Source]") -> None:
    """Read the last words from the terminals."""
    poller = poll()
    for source in sources:
        poller.register(source.ours, POLLIN)
        for tape in source.tapes:
            tape.catch_up()
        if source.console is not None:
            source.console.take_over()
    until_s = monotonic() + DESCENDANTS_S
    while any(source.is_open for source in sources) and monotonic() < until_s and poller.poll(QUIET_S * 1000):
        for source in sources:
            if source.is_open:
                source.take(monotonic())
                if not source.is_open:
                    poller.unregister(source.ours)


def _has_died(pid: int) -> bool:
    """Wait a moment for the command's end; False if it outlives us, as another user's may."""
    until_s = monotonic() + DEATH_S
    while monotonic() < until_s:
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                if stat.read().rpartition(b")")[2].split()[0] in (b"Z", b"X"):
                    return True
        except FileNotFoundError:
            return True
        sleep(0.005)
    return False


def _part(consoles: "Sequence[Console]") -> None:
    """Give the launcher what it would have had from us."""
    until_s = monotonic() + STALLED_S
    poller = poll()
    for console in consoles:
        if (number := console.fileno()) is not None:
            poller.register(number, POLLIN)
    while any(console.unsent for console in consoles) and monotonic() < until_s:
        for console in consoles:
            console.pump(monotonic(), is_ending=True)
        if poller.poll(5):
            for console in consoles:
                console.ready(monotonic())
