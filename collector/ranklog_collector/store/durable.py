"""Makes many files durable at once.

fdatasync of 2,000 small files takes 2,000 rounds through the file system's journal, 100 ms of CPU and of waiting where
syncfs(2), one call for the whole file system, takes 10 ms and hardly any CPU. But syncfs also waits for what others
have written there, a training's checkpoint of 100 GB for example; so it is used for many files only, and only while the
machine has little unwritten data.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

MANY_FILES = 32
CALM_BYTES = 128 << 20
_libc = ctypes.CDLL(None, use_errno=True)


class Durability:
    """Runs sync calls, several at a time."""

    def __init__(self, threads: int = 8) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sync")
        self._has_syncfs = hasattr(_libc, "syncfs") and _kernel() >= (5, 8)

    def sync(self, calls: Sequence[Callable[[], None]], folder: int) -> None:
        """Do all the calls, each of which makes one file durable, or once for the file system of `folder`.

        Raises the OSError of the first that fails, after all have ended.
        """
        if len(calls) >= MANY_FILES and self._has_syncfs and _unwritten_bytes() < CALM_BYTES:
            _syncfs(folder)
        elif len(calls) == 1:
            calls[0]()
        else:
            pending = [self._pool.submit(call) for call in calls]
            errors = [error for error in (one.exception() for one in pending) if error is not None]
            if errors:
                raise errors[0]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def _syncfs(folder: int) -> None:
    if _libc.syncfs(folder) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _kernel() -> tuple[int, int]:
    """The kernel's version: before 5.8 syncfs did not tell of errors."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _unwritten_bytes() -> int:
    """What the whole machine still has to write to its disks."""
    try:
        with open("/proc/meminfo", "rb") as file:
            found = re.findall(rb"^(?:Dirty|Writeback): +(\d+) kB", file.read(), re.MULTILINE)
    except OSError:
        return CALM_BYTES
    return sum(map(int, found)) << 10 if found else CALM_BYTES
