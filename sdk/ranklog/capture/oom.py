"""Whether the kernel killed a process for its memory."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CGROUPS = "/sys/fs/cgroup"
INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""Inode number of the pid namespace whose pids the kernel's messages name."""
MESSAGES_MAX = 100_000


class Memory:
    """Watches a cgroup's count of kills. Made before the process starts, asked when it has been killed."""

    def __init__(self) -> None:
        self._paths = list(_counters(_read("/proc/self/cgroup")))
        self._before = self._kills()

    def killed(self, pid: int) -> bool | None:
        """Whether it was this that killed the process (of which SIGKILL is known); None if nothing tells."""
        told = _told_by_kernel(pid)
        if told is not None:
            return told
        after = self._kills()
        return None if after is None or self._before is None else after > self._before

    def _kills(self) -> int | None:
        for path in self._paths:
            count = kills(_read(path))
            if count is not None:
                return count
        return None


def kills(text: str) -> int | None:
    """Read the count from a cgroup's memory.events (v2) or memory.oom_control (v1)."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.strip().isdecimal():
            return int(value)
    return None


def _counters(own_cgroups: str) -> "Iterator[str]":
    """Yield the files that may hold the count, by /proc/self/cgroup; in a container its cgroup may be the root."""
    for line in own_cgroups.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            for root in (CGROUPS, f"{CGROUPS}/unified"):
                yield f"{root}{path}/memory.events"
            yield f"{CGROUPS}/memory.events"
        elif "memory" in controllers.split(","):
            yield f"{CGROUPS}/memory{path}/memory.oom_control"
            yield f"{CGROUPS}/memory/memory.oom_control"


def _told_by_kernel(pid: int) -> bool | None:
    """Search the kernel's messages; None if they may not be read or name pids of another namespace."""
    try:
        if os.stat("/proc/self/ns/pid").st_ino != INITIAL_PID_NAMESPACE:
            return None
        messages = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        needle = f"Killed process {pid} ".encode()
        return any(needle in message for message in _messages(messages))
    finally:
        os.close(messages)


def _messages(file: int) -> "Iterator[bytes]":
    for _ in range(MESSAGES_MAX):
        try:
            yield os.read(file, 8192)
        except BrokenPipeError:  # overwritten before it was read
            continue
        except OSError:
            return


def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return os.fsdecode(file.read(1 << 16) or b"")
    except OSError:
        return ""
