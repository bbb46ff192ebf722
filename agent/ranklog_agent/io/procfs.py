"""What /proc tells: who lives, and who writes to a file."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

from ranklog_agent.core.facts import Identity

REFRESH_S = 2.0
"""How old a scan of all processes' open files may be."""


@dataclass(frozen=True, slots=True)
class Writer:
    """A process that has a file open for writing."""

    pid: int
    start_ticks: int


def start_ticks(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None if there is no such process, or it is a zombie.

    Together with the pid this names a process for good.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    # Fields from the third on (proc(5)): state is the first here, starttime the twentieth.
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def parents() -> dict[int, int]:
    """Of every process that is visible, who started it, or has taken it over since."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    return found


def environment(pid: int) -> dict[str, str]:
    """The environment with which a process was started; empty if that may not be read."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        pairs = (pair.partition(b"=") for pair in file.read().split(b"\0") if b"=" in pair)
        return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    return {}


def owner(pid: int) -> int:
    """The user whose process it is; if it is gone, our own."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return os.getuid()


def command(pid: int) -> list[str]:
    """The arguments of a process; empty if they may not be read."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return [os.fsdecode(word) for word in file.read().rstrip(b"\0").split(b"\0")]
    return []


class Writers:
    """Which processes have which files open for writing; one scan serves all questions for a while."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], Writer] = {}
        self._scanned_s = -REFRESH_S

    def of(self, identity: Identity) -> Writer | None:
        """A process that writes to the file; None if none is seen (others' processes may be invisible)."""
        if time.monotonic() - self._scanned_s >= REFRESH_S:
            self._scan()
        return self._found.get((identity.device, identity.inode))

    def _scan(self) -> None:
        self._found = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    self._scan_process(int(entry.name))
        self._scanned_s = time.monotonic()

    def _scan_process(self, pid: int) -> None:
        ticks = None
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                # The link's own permission bits say how the file was opened.
                if not entry.stat(follow_symlinks=False).st_mode & 0o200:
                    continue
                info = os.stat(entry.path)
                ticks = ticks or start_ticks(pid) or 0
                self._found[info.st_dev, info.st_ino] = Writer(pid, ticks)
