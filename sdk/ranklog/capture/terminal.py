"""The terminal that the command writes to, and what it is told of it."""

import fcntl
import os
import sys
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW = b"".join(number.to_bytes(2, sys.byteorder) for number in (24, 80, 0, 0))
"""Rows and columns for a command that had no terminal: what programs take if there is none."""
COLOUR_WISHES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE")


def open_raw(window: bytes) -> tuple[int, int]:
    """Make a pseudo-terminal that changes no byte; gives our end, which never blocks, and the command's end.

    Where the machine has no terminals left it is a pipe. Raises OSError if there are no descriptors left either.
    """
    try:
        ours, theirs = os.openpty()
    except OSError:
        ours, theirs = os.pipe()
    else:
        mode = termios.tcgetattr(theirs)
        mode[0] = mode[1] = mode[3] = 0  # input, output and local modes: nothing is translated, echoed or interpreted
        termios.tcsetattr(theirs, termios.TCSANOW, mode)
        resize(ours, window)
    os.set_blocking(ours, False)
    return ours, theirs


def window_of(number: int) -> bytes | None:
    """The size of the terminal behind a descriptor; None if it is no terminal."""
    try:
        return fcntl.ioctl(number, termios.TIOCGWINSZ, bytes(8)) if os.isatty(number) else None
    except OSError:
        return None


def resize(number: int, window: bytes) -> None:
    """Give a terminal a size."""
    try:  # noqa: SIM105 (contextlib costs a rank 4 ms)
        fcntl.ioctl(number, termios.TIOCSWINSZ, window)
    except OSError:
        pass


def without_terminal(environ: "Mapping[str, str]") -> dict[str, str]:
    """Variables that keep a command from colours and cursor movements, since its output goes to no real terminal.

    Empty if the user has said what they want.
    """
    if any(environ.get(name) for name in COLOUR_WISHES):
        return {}
    return {"TERM": "dumb", "NO_COLOR": "1"}
