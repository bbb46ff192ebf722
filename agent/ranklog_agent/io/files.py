"""The node's files, as the engine wants to see them."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import stat
import struct
import threading
import time
from collections.abc import Callable

from ranklog_agent.core.facts import Identity, Sight, spelled
from ranklog_agent.io.opening import open_regular
from ranklog_agent.io.procfs import Writers

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_BTIME_AT = 80
"""Offset of stx_btime in struct statx (linux/stat.h): seconds (s64), nanoseconds (u32)."""

EARLY_S = 5.0
"""How long a file that was opened when it was made waits for the engine to want it."""

NAME_LETTERS_MAX = 4096
"""What the wire carries as a path; only one that is no text can need more, spelled out."""

RESERVED_FDS = 256
"""Descriptors that are not spent on mirrored files: the connection to the collector needs some, too."""

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

    def __init__(self, fd: int, path: str, writers: Writers) -> None:
        info = os.fstat(fd)
        self._fd = fd
        self._path = path
        self._writers = writers
        self.identity = Identity(info.st_dev, info.st_ino, birth_ns(fd))
        self._sight = _sight(info)

    def sight(self) -> Sight:
        """Its present size and number of names; the last ones that were seen if it cannot be reached now."""
        for is_fresh in (True, False):
            try:
                self._sight = _sight(os.fstat(self._fd))
                break
            except OSError:
                if not is_fresh or not self._reopen():
                    break
        return self._sight

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset; none if the file cannot be read now (a stale NFS handle, an I/O error)."""
        for is_fresh in (True, False):
            try:
                return os.pread(self._fd, length, offset)
            except OSError:
                if not is_fresh or not self._reopen():
                    break
        return b""

    def again(self) -> NodeFile:
        """The same file, held once more."""
        return NodeFile(os.dup(self._fd), self._path, self._writers)

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

    def _reopen(self) -> bool:
        """Reach the file by its path again: a server may have forgotten our handle while the file is still there."""
        try:
            fd = open_regular(self._path)
        except OSError:
            return False
        if fd is None:
            return False
        info = os.fstat(fd)
        is_same = (info.st_dev, info.st_ino) == (self.identity.device, self.identity.inode)
        if is_same:
            os.dup2(fd, self._fd, inheritable=False)
        os.close(fd)
        return is_same


class NodeFiles:
    """The node's file system. `complain` is called once for each path that may not be read.

    A path below `enclosed` that leads out of it may not be: whoever can write there must not choose what is read.
    """

    def __init__(self, writers: Writers, complain: Callable[[str, str], None], enclosed: str) -> None:
        self._writers = writers
        self._complain = complain
        self._enclosed = enclosed.rstrip("/") + "/"
        self._complained: set[str] = set()
        self._early: dict[str, list[tuple[NodeFile, float]]] = {}
        """Files that were opened when they were made, and when, by path, oldest first."""
        self._early_lock = threading.Lock()
        self._fd_max = _raise_fd_limit() - RESERVED_FDS
        self.is_short = False
        """Set when a file was not opened because too many are."""

    def hold_early(self, path: str) -> None:
        """Open a file at the moment of its creation, for the engine to find even if it is deleted at once."""
        file = self._open(path)
        if file is None:
            return
        with self._early_lock:
            same = self._early.setdefault(path, [])
            if not same or same[-1][0].identity != file.identity:
                same.append((file, time.monotonic()))
                return
        file.close()

    def forget_early(self, path: str) -> None:
        """Let go of what was held early of a path: the engine has looked at it."""
        if path in self._early:
            with self._early_lock:
                files = self._early.pop(path, [])
            for file, _ in files:
                file.close()

    def forget_unheeded(self) -> None:
        """Let go of files that were held early and that nobody has looked at for long."""
        old = time.monotonic() - EARLY_S
        for path in [path for path, files in list(self._early.items()) if files[0][1] < old]:
            self.forget_early(path)

    def identity_at(self, path: str) -> Identity | None:
        """Which regular file the path names now, or named a moment ago when it was made."""
        try:
            info = os.stat(path)
        except OSError:
            early = self._first_early(path)
            return early.identity if early else None
        return Identity(info.st_dev, info.st_ino) if stat.S_ISREG(info.st_mode) else None

    def glance(self, path: str) -> tuple[Identity, Sight] | None:
        """Which regular file the path names now, and how it looks, without holding it."""
        try:
            info = os.stat(path)
        except OSError:
            return None
        return (Identity(info.st_dev, info.st_ino), _sight(info)) if stat.S_ISREG(info.st_mode) else None

    def open(self, path: str) -> NodeFile | None:
        """Hold the regular file that the path names now; None if there is none or it may not be read.

        A file that was opened early comes first, even if the path names another one by now.
        """
        if path in self._early:
            with self._early_lock:
                files = self._early[path]
                file, _ = files.pop(0)
                if not files:
                    del self._early[path]
            return file
        return self._open(path)

    def peek(self, path: str) -> NodeFile | None:
        """As `open`, but only to compare it: what `open` will find stays as it is."""
        early = self._first_early(path)
        return early.again() if early is not None else self._open(path)

    def has_other_names(self, path: str) -> bool:
        """Whether a file may be reached by another name than this."""
        try:
            info = os.lstat(path)
        except OSError:
            return False
        return stat.S_ISLNK(info.st_mode) or info.st_nlink > 1

    def siblings(self, path: str) -> list[str]:
        """Paths of the other regular files in the same folder."""
        folder = os.path.dirname(path)
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            return [entry.path for entry in entries if entry.path != path and entry.is_file(follow_symlinks=False)]
        return []

    def _first_early(self, path: str) -> NodeFile | None:
        files = self._early.get(path)
        return files[0][0] if files else None

    def _open(self, path: str) -> NodeFile | None:
        if len(spelled(path)) > NAME_LETTERS_MAX:
            self._complain_once(path, f"its name has more than {NAME_LETTERS_MAX} letters")
            return None
        try:
            fd = open_regular(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._complain_once(path, os.strerror(error.errno or errno.EIO))
            return None
        if fd is None:
            return None
        if path.startswith(self._enclosed) and not _is_below(fd, os.path.realpath(self._enclosed)):
            os.close(fd)
            self._complain_once(path, "it leads out of the spool")
            return None
        if fd >= self._fd_max:
            os.close(fd)
            self.is_short = True
            self._complain_once("more files", f"{self._fd_max} are open, which is the limit (ulimit -n)")
            return None
        self._complained.discard(path)
        return NodeFile(fd, path, self._writers)

    def _complain_once(self, path: str, why: str) -> None:
        if path not in self._complained:
            self._complained.add(path)
            self._complain(path, why)


def _sight(info: os.stat_result) -> Sight:
    return Sight(info.st_size, info.st_nlink, info.st_mtime_ns)


def _is_below(fd: int, folder: str) -> bool:
    """Whether an open file is one of this folder's: whatever its path names by now, this is about what is read."""
    return os.readlink(f"/proc/self/fd/{fd}").startswith(folder + "/")


def _raise_fd_limit() -> int:
    """Raise the limit of open files as far as it may go, and return it: every mirrored file is held open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1 << 20
