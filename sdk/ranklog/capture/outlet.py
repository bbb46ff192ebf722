"""An inherited descriptor, written to without ever waiting."""

import os
import stat
from select import EPOLLET, EPOLLOUT, POLLOUT, epoll, poll
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

PIPE_BYTES = 4096
"""PIPE_BUF: a pipe takes this much at once or not at all."""
TTY_BYTES = 1792
"""What Linux hands on undivided of a write to a terminal."""
TTY_GUESS_BYTES = 1151
"""Half of what a terminal holds for its reader (4,095) beside a piece of `TTY_BYTES`."""
FILE_BYTES = 1 << 16
SURE_S = 0.00001
"""A write to a terminal that took no longer was not interrupted: its reader cannot have read before the write's end."""
LATER = frozenset({11, 28, 122})
"""EAGAIN, ENOSPC, EDQUOT: no room now."""
NULL_DEVICE = os.makedev(1, 3)


class Outlet:
    """Takes bytes as they come, or says that there is no room.

    The descriptor is shared with other processes, so its O_NONBLOCK is left alone: pipes and terminals are opened anew.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._socket: socket.socket | None = None
        self._asks_first = False
        self._readiness: epoll | None = None
        self.is_open = True
        self.is_tty = False
        self.limit = FILE_BYTES
        """How much to write at once."""
        self.guess_limit = FILE_BYTES
        """How much if it is but a guess that there is room."""
        self.is_sign_sure = True
        """Whether the sign that a terminal's reader has read the last write is surely still to come."""
        try:
            status = os.fstat(number)
        except OSError:
            self.is_open = False
            return
        self._adapt_to(status)

    def _adapt_to(self, status: os.stat_result) -> None:
        if stat.S_ISREG(status.st_mode):
            return  # one of our own would have a position of its own
        if stat.S_ISCHR(status.st_mode) and not os.isatty(self._number):
            self.is_open = status.st_rdev != NULL_DEVICE
            return
        self.is_tty = stat.S_ISCHR(status.st_mode)
        self.limit, self.guess_limit = (TTY_BYTES, TTY_GUESS_BYTES) if self.is_tty else (PIPE_BYTES, PIPE_BYTES)
        if stat.S_ISSOCK(status.st_mode):
            import socket

            self._socket = socket.socket(fileno=os.dup(self._number))
        else:
            self._open_anew()
        self._readiness = epoll()
        # Edge-triggered: a terminal tells each time that its reader has emptied it, which no other call does.
        self._readiness.register(self._number, EPOLLOUT | EPOLLET)

    def _open_anew(self) -> None:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            self._number = os.open(f"/proc/self/fd/{self._number}", flags)
        except OSError:  # another user's pipe, or no /proc
            self._asks_first = True

    def write(self, data: bytes) -> int:
        """Write up to `limit` bytes and return how many were taken. Closed for good when nobody can read any more."""
        try:
            if self._socket is not None:
                import socket

                return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            if self._asks_first and not _has_room(self._number):
                return 0
            return self._write_to_terminal(data) if self.is_tty else os.write(self._number, data)
        except OSError as error:
            self.is_open = error.errno in LATER
            return 0

    def _write_to_terminal(self, data: bytes) -> int:
        began_s = monotonic()
        taken = os.write(self._number, data)
        self.is_sign_sure = monotonic() - began_s < SURE_S
        self.forget_readiness()  # our own write is a sign too
        return taken

    def fileno(self) -> int | None:
        """A descriptor that becomes readable when there may be room again; None if there is none to wait for."""
        return None if self._readiness is None else self._readiness.fileno()

    def forget_readiness(self) -> None:
        """Make `fileno()` unreadable until there is room once more."""
        if self._readiness is not None:
            self._readiness.poll(0)


def _has_room(number: int) -> bool:
    poller = poll()
    poller.register(number, POLLOUT)
    return bool(poller.poll(0))
