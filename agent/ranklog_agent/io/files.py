"""The node's files, as the engine wants to see them."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import stat
import struct
import time
from collections.abc import Callable

from ranklog_agent.core.facts import Identity, Sight
from ranklog_agent.io.procfs import Writers

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_BTIME_AT = 80
"""Offset of stx_btime in struct statx (linux/stat.h): seconds (s64), nanoseconds (u32)."""

EARLY_S = 5.0
"""How long a file that was opened when it was made waits for the engine to want it."""

_libc = ctypes.CDLL(None, use_errno=True)
_statx = getattr(_libc, "statx", None)


def birth_ns(fd: int) -> int:
    """When the file was made, ns since the epoch; 0 if the file system does not tell."""
    if _statx is None:
        return 0
    buffer = ctypes.create_string_buffer(256)
    if _statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer) != 0:
        return 0
    (mask,) = struct.unpack_from("I", buffer)
    if not mask & _STATX_BTIME:
        return 0
    seconds, nanoseconds = struct.unpack_from("qI", buffer, _BTIME_AT)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


class NodeFile:
    """A regular file held open for reading."""

    def __init__(self, fd: int, writers: Writers) -> None:
        info = os.fstat(fd)
        self._fd = fd
        self._writers = writers
        self.identity = Identity(info.st_dev, info.st_ino, birth_ns(fd))

    def sight(self) -> Sight:
        """Its present size and number of names."""
        info = os.fstat(self._fd)
        return Sight(info.st_size, info.st_nlink, info.st_mtime_ns)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset; none if the file cannot be read now (a stale NFS handle, an I/O error)."""
        try:
            return os.pread(self._fd, length, offset)
        except OSError:
            return b""

    def again(self) -> NodeFile:
        """The same file, held once more."""
        return NodeFile(os.dup(self._fd), self._writers)

    def has_writer(self) -> bool:
        """Whether any process may still write to it.

        A read lease is granted only if nobody has the file open for writing, in whatever container; where leases are
        not to be had, /proc is searched.
        """
        try:
            fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return True
            return self._writers.of(self.identity) is not None
        fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def close(self) -> None:
        """Let it go."""
        os.close(self._fd)


class NodeFiles:
    """The node's file system. `complain` is called once for each path that may not be read."""

    def __init__(self, writers: Writers, complain: Callable[[str, str], None]) -> None:
        self._writers = writers
        self._complain = complain
        self._complained: set[str] = set()
        self._early: dict[str, tuple[NodeFile, float]] = {}

    def hold_early(self, path: str) -> None:
        """Open a file at the moment of its creation, for the engine to find even if it is deleted at once."""
        if path not in self._early:
            file = self._open(path)
            if file is not None:
                self._early[path] = file, time.monotonic()

    def forget_early(self) -> None:
        """Let go of files that were held early and, after a while, are wanted by nobody."""
        for path, (file, since_s) in list(self._early.items()):
            if time.monotonic() - since_s > EARLY_S and self._early.pop(path, None) is not None:
                file.close()

    def identity_at(self, path: str) -> Identity | None:
        """Which regular file the path names now, or named a moment ago when it was made."""
        try:
            info = os.stat(path)
        except OSError:
            early = self._early.get(path)
            return early[0].identity if early else None
        return Identity(info.st_dev, info.st_ino) if stat.S_ISREG(info.st_mode) else None

    def open(self, path: str) -> NodeFile | None:
        """Hold the regular file that the path names now; None if there is none or it may not be read."""
        early = self._early.pop(path, None)
        return early[0] if early is not None else self._open(path)

    def siblings(self, path: str) -> list[str]:
        """Paths of the other regular files in the same folder."""
        folder = os.path.dirname(path)
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.path != path and entry.is_file(follow_symlinks=False)]
        return []

    def _open(self, path: str) -> NodeFile | None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            if path not in self._complained:
                self._complained.add(path)
                self._complain(path, os.strerror(error.errno or errno.EIO))
            return None
        self._complained.discard(path)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return None
        return NodeFile(fd, self._writers)
