"""The file that a process logs into: one write(2) a line, and nothing that training would notice when that fails.

There is no thread and no lock. Whoever inherits the descriptor over a fork goes on with it: the kernel appends.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from errno import EBADF, ENOSPC
from fcntl import F_DUPFD_CLOEXEC, fcntl
from time import time_ns

from ranklog.points.line import lost

FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
NONE = -1
HIGH = 1000
"""Where our descriptor lies, so that who closes all descriptors (a daemon) does not get it for a file of its own."""
LOOK_NS = 10**9
"""How often we look whether the file is still there, and how long one that cannot be opened is left alone."""


class PointFile:
    """Appends lines.

    When that fails, `warn` is told once of each reason, and how many lines were lost is written as soon as it can be.
    """

    def __init__(self, path: str, warn: Callable[[str], None]) -> None:
        self.path = path
        self._warn = warn
        self._file = NONE
        self._identity = (0, 0)
        self._look_ns = 0
        """From when on, by the clock, a line needs more care than a bare write. 0: always."""
        self._closed_until_ns = 0
        self._is_cut = False
        self._losses = Losses()
        self._told: set[str] = set()

    def append(self, line: bytes, now_ns: int) -> None:
        """Write a line. Neither raises nor waits."""
        if now_ns >= self._look_ns:
            self._append_carefully(line, now_ns)
            return
        try:
            count = os.write(self._file, line)
        except OSError as error:
            self._look_ns = 0
            if error.errno == EBADF:
                self._append_carefully(line, now_ns)
            else:
                self._lose(error)
            return
        if count != len(line):
            self._cut()

    def settle(self) -> None:
        """Write how many lines were lost, if that has not been written yet and there is room now."""
        if self._losses:
            self._append_carefully(b"", time_ns())

    def _append_carefully(self, line: bytes, now_ns: int) -> None:
        lines = 1 if line else 0
        if now_ns < self._closed_until_ns:
            self._losses.add(lines)
            return
        before = 0
        try:
            self._open_unless_there(now_ns)
            before = self._losses.take()
            head = (b"\n" if self._is_cut else b"") + (lost(now_ns, before) if before else b"")
            count = os.write(self._file, head + line)
        except OSError as error:
            self._losses.add(before)
            self._lose(error, lines)
            return
        if count < len(head):
            self._losses.add(before)
        if count < len(head) + len(line):
            self._cut(lines)
        else:
            self._is_cut = False
            self._look_ns = now_ns + LOOK_NS

    def _open_unless_there(self, now_ns: int) -> None:
        """Raises OSError, and leaves the file alone for a while then."""
        status = self._status()
        if status is not None and status.st_nlink:
            return
        try:
            opened = self._open()
        except OSError:
            self._closed_until_ns = now_ns + LOOK_NS
            raise
        self._is_cut = False
        if status is None:
            self._file = _high(opened)
        else:  # the number stays: another thread may be about to write to it
            self._tell(f"{self.path} was deleted, and with it what had been logged")
            os.dup2(opened, self._file, inheritable=False)
            os.close(opened)

    def _status(self) -> os.stat_result | None:
        """Status of the file that we have open; None if we have none, or somebody closed it."""
        if self._file == NONE:
            return None
        try:
            status = os.fstat(self._file)
        except OSError:
            return None
        return status if (status.st_dev, status.st_ino) == self._identity else None

    def _open(self) -> int:
        try:
            opened = os.open(self.path, FLAGS, 0o600)
        except FileNotFoundError:
            with suppress(FileExistsError):  # another thread or process was faster
                os.mkdir(os.path.dirname(self.path), 0o700)
            opened = os.open(self.path, FLAGS, 0o600)
        status = os.fstat(opened)
        self._identity = status.st_dev, status.st_ino
        return opened

    def _cut(self, lines: int = 1) -> None:
        """Note that a line is there in part: what comes next must not continue it."""
        self._is_cut = True
        self._look_ns = 0
        self._lose(OSError(ENOSPC, os.strerror(ENOSPC)), lines)

    def _lose(self, error: OSError, lines: int = 1) -> None:
        self._losses.add(lines)
        self._tell(f"{self.path}: {error.strerror}: what is logged is lost until that is over")

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._warn(text)


class Losses:
    """How many lines were lost in this process. Appending to a deque is atomic; a fork's child starts from nought."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._counts: deque[int] = deque()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return any(self._mine())

    def add(self, count: int) -> None:
        """Count more."""
        if count:
            self._mine().append(count)

    def take(self) -> int:
        """Give the number, and begin anew."""
        counts, total = self._mine(), 0
        while counts:
            try:
                total += counts.popleft()
            except IndexError:  # another thread was faster
                break
        return total

    def _mine(self) -> deque[int]:
        if self._pid != os.getpid():
            self._pid, self._counts = os.getpid(), deque()
        return self._counts


def _high(opened: int) -> int:
    try:
        moved = fcntl(opened, F_DUPFD_CLOEXEC, HIGH)
    except OSError:  # there may be no numbers so high
        return opened
    os.close(opened)
    return moved
