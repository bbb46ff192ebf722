"""What a container may use and uses, where that is less than the machine has. Both versions of cgroups.

Only groups count that hold the agent and the job alike: a sidecar's own container says nothing of the job next door.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

V2 = "cgroup2"
CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory")

Limit = Callable[[str], float | None]
"""Reads the limit that a group's folder tells, if it does."""


@dataclass(frozen=True, slots=True)
class Limited:
    """How much there is of something, how much of it is used, and in which group: CPU seconds or bytes."""

    group: str
    most: float
    used: float


@dataclass(frozen=True, slots=True)
class _Mount:
    """Where a hierarchy is mounted, and which of its groups is seen there as the topmost."""

    folder: str
    top: str


class Cgroups:
    """The groups of the agent, as far as they are visible."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._mounts = self._find_mounts()

    def cpu(self, pid: int | None, cpus: int) -> Limited | None:
        """Tell how many CPUs the groups that hold us and a process of the job may use, if that is less than `cpus`."""
        limits = [*self._levels("cpu", pid, _quota), *self._levels("cpuset", pid, _set)]
        for most, path in sorted(limit for limit in limits if limit[0] < cpus):
            used = self._cpu_used(path)
            if used is not None:
                return Limited(path, most, used)
        return None

    def memory(self, pid: int | None, total: int) -> Limited | None:
        """Tell how many bytes of memory they may use, likewise."""
        limits = [limit for limit in self._levels("memory", pid, _memory_limit) if limit[0] < total]
        if not limits:
            return None
        most, path = min(limits)
        folder = os.path.join(self._mounts["memory"].folder, path)
        used = _number(folder, "memory.current") or _number(folder, "memory.usage_in_bytes")
        if used is None:
            return None
        statistics = dict(_pairs(folder, "memory.stat"))
        # The page cache that is given back without ado is not in use.
        spare = statistics.get("total_inactive_file", statistics.get("inactive_file", 0))
        return Limited(path, most, max(0, used - spare))

    def _levels(self, controller: str, pid: int | None, limit: Limit) -> Iterator[tuple[float, str]]:
        """Limits of the groups that hold us and the process, and where they are below the hierarchy's folder."""
        mount = self._mounts.get(controller)
        ours = self._group(controller, "self")
        theirs = self._group(controller, str(pid)) if pid is not None else ours
        if mount is None or ours is None or theirs is None:
            return
        path = os.path.commonpath([f"/{ours}", f"/{theirs}"]).strip("/")
        while True:
            most = limit(os.path.join(mount.folder, path))
            if most is not None:
                yield most, path
            if not path:
                return
            path = os.path.dirname(path)

    def _cpu_used(self, path: str) -> float | None:
        mount = self._mounts.get("cpuacct")
        if mount is None:
            return None
        folder = os.path.join(mount.folder, path)
        used_ns = _number(folder, "cpuacct.usage")
        used_us = dict(_pairs(folder, "cpu.stat")).get("usage_usec")
        if used_ns is not None:
            return used_ns / 1e9
        return used_us / 1e6 if used_us is not None else None

    def _find_mounts(self) -> dict[str, _Mount]:
        """Find the hierarchies of the controllers; where one is of the first version, it is there and nowhere else."""
        found: dict[str, _Mount] = {}
        for line in _text(f"{self._proc}/self/mountinfo").splitlines():
            fields, _, rest = line.partition(" - ")
            kind, _, options = rest.partition(" ")
            if kind not in ("cgroup", V2):
                continue
            top, folder = (name.encode().decode("unicode_escape") for name in fields.split()[3:5])
            mount = _Mount(folder, top)
            named = CONTROLLERS if kind == V2 else options.rpartition(" ")[2].split(",")
            for controller in named:
                if controller in CONTROLLERS and (kind != V2 or controller not in found):
                    found[controller] = mount
        return found

    def _group(self, controller: str, pid: str) -> str | None:
        """A process's group, relative to the hierarchy's folder; None if it is not visible."""
        mount, unified = self._mounts.get(controller), None
        for line in _text(f"{self._proc}/{pid}/cgroup").splitlines():
            _, names, path = line.split(":", 2)
            if controller in names.split(","):
                return _below(path, mount)
            if not names:
                unified = path
        return _below(unified, mount) if unified is not None else None


def _below(path: str, mount: _Mount | None) -> str | None:
    if mount is None or path.startswith("/.."):
        return None
    below = os.path.relpath(path, mount.top)
    return None if below.startswith("..") else below.removeprefix(".")


def _quota(folder: str) -> float | None:
    """CPUs by time."""
    words = _text(os.path.join(folder, "cpu.max")).split()
    if len(words) == 2:
        return int(words[0]) / int(words[1]) if words[0] != "max" else None
    quota, period = _number(folder, "cpu.cfs_quota_us"), _number(folder, "cpu.cfs_period_us")
    return quota / period if quota is not None and period and quota > 0 else None


def _set(folder: str) -> float | None:
    """CPUs by number."""
    names = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
    text = next(filter(None, (_text(os.path.join(folder, name)).strip() for name in names)), "")
    count = 0
    for part in text.split(","):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1 if part else 0
    return count or None


def _memory_limit(folder: str) -> float | None:
    return _number(folder, "memory.max") or _number(folder, "memory.limit_in_bytes")


def _number(folder: str, name: str) -> int | None:
    text = _text(os.path.join(folder, name)).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _pairs(folder: str, name: str) -> Iterator[tuple[str, int]]:
    for line in _text(os.path.join(folder, name)).splitlines():
        key, _, value = line.partition(" ")
        if value.isdigit():
            yield key, int(value)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
