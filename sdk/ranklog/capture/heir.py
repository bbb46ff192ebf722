"""A process that finishes what `ranklog exec` could not, when that is killed."""

import os

from ranklog.capture.aside import Aside
from ranklog.capture.descriptors import keep_only
from ranklog.capture.prctl import SET_NAME, prctl

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

    def __init__(self, capture: "Capture", descriptors: "Sequence[int]") -> None:
        reading, self._telling = os.pipe2(os.O_CLOEXEC)
        super().__init__(lambda: _wait(reading, capture, descriptors))
        os.close(reading)

    def tell(self, status: int) -> None:
        """Let it know the wait status of the command, since it is not its parent."""
        try:  # noqa: SIM105 (contextlib costs a rank 4 ms)
            os.write(self._telling, status.to_bytes(4, "little"))
        except BrokenPipeError:  # there is none
            pass


def _wait(will: int, capture: "Capture", descriptors: "Sequence[int]") -> "NoReturn":
    os.setsid()
    prctl(SET_NAME, NAME)
    keep_only([will, *descriptors])
    told = b""
    while part := os.read(will, 4):
        told = part
    from ranklog.capture.inheritance import finish

    finish(capture, int.from_bytes(told, "little") if told else None)
    os._exit(0)
