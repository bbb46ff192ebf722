"""What /proc tells of the node as a whole, and of all its processes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

from ranklog_agent.core.node_usage import Compute, Disk, Network, Own, Reading
from ranklog_agent.core.usage import Seen, Traffic
from ranklog_agent.io.cgroups import Cgroups

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FILE_BYTES_MAX = 1 << 20
"""More is not read of a file of /proc."""
LOOPBACK = "lo"


def clock_ns() -> int:
    """The clock by which the kernel notes when processes begin."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Machine:
    """The node. `proc` and `sys` are where the kernel's file systems are."""

    def __init__(self, proc: str = "/proc", sys: str = "/sys") -> None:
        self._proc = proc
        self._sys = sys
        self._cgroups = Cgroups(proc)

    # ---- the node ---------------------------------------------------------------------------------------------------

    def read(self, job_pid: int | None = None, has_job_elsewhere: bool = False) -> Reading:
        """Read what is used now; `job_pid` is a process of the job, if there is one that can be seen."""
        is_bounded = job_pid is not None or not has_job_elsewhere
        return Reading(
            time_ns=time.time_ns(),
            clock_ns=clock_ns(),
            compute=self._compute(job_pid, is_bounded),
            disk=_disk(),
            network=self._network(),
            own=self._own(),
        )

    def _compute(self, job_pid: int | None, is_bounded: bool) -> Compute | None:
        times, memory = self._cpu_times(), self._memory()
        if times is None or memory is None:
            return None
        (busy_s, cpus), (memory_used, memory_total) = times, memory
        cpu = self._cgroups.cpu(job_pid, cpus) if is_bounded else None
        limited = self._cgroups.memory(job_pid, memory_total) if is_bounded else None
        if limited is not None:
            memory_used, memory_total = int(limited.used), int(limited.most)
        if cpu is not None:
            return Compute(f"/{cpu.group}", cpu.used, cpu.most, memory_used, memory_total)
        return Compute("", busy_s, cpus, memory_used, memory_total)

    def _cpu_times(self) -> tuple[float, int] | None:
        """Busy seconds of all CPUs so far, and how many CPUs there are."""
        lines = [line.split() for line in self._text("stat").splitlines() if line.startswith("cpu")]
        if not lines or len(lines[0]) < 9:
            return None
        user, nice, system, _idle, _iowait, irq, softirq, steal = (int(number) for number in lines[0][1:9])
        return (user + nice + system + irq + softirq + steal) / TICKS_PER_S, max(1, len(lines) - 1)

    def _memory(self) -> tuple[int, int] | None:
        """Bytes that cannot be had any more, and all there are."""
        found = {}
        for line in self._text("meminfo").splitlines():
            name, _, rest = line.partition(":")
            words = rest.split()
            if words and words[0].isdigit():
                found[name] = int(words[0]) * 1024
        if "MemTotal" not in found:
            return None
        spare = found.get("MemAvailable", found.get("MemFree", 0))
        return found["MemTotal"] - spare, found["MemTotal"]

    def _network(self) -> Network | None:
        """Traffic of the real interfaces: what goes through bridges and tunnels goes through these as well."""
        counts = {}
        for line in self._text("net/dev").splitlines():
            name, colon, rest = line.partition(":")
            fields = rest.split()
            if colon and len(fields) >= 9:
                counts[name.strip()] = (int(fields[0]), int(fields[8]))
        counts.pop(LOOPBACK, None)
        real = [name for name in counts if os.path.exists(f"{self._sys}/class/net/{name}/device")]
        chosen = [counts[name] for name in real or counts]
        return Network(sum(one for one, _ in chosen), sum(one for _, one in chosen)) if chosen else None

    def _own(self) -> Own | None:
        one = self.seen("self")
        return Own(one.own_s, one.resident_bytes) if one is not None else None

    # ---- processes --------------------------------------------------------------------------------------------------

    def all_seen(self) -> dict[int, Seen]:
        """All processes that are visible."""
        found = {}
        for name in os.listdir(self._proc):
            one = self.seen(name) if name.isdigit() else None
            if one is not None:
                found[int(name)] = one
        return found

    def seen(self, pid: str) -> Seen | None:
        """One process; None if it is gone."""
        raw = _read(f"{self._proc}/{pid}/stat")
        fields = raw.rpartition(b")")[2].split()
        if len(fields) < 22:
            return None
        # Fields from the third on (proc(5)).
        return Seen(
            parent=int(fields[1]),
            started_ticks=int(fields[19]),
            own_s=(int(fields[11]) + int(fields[12])) / TICKS_PER_S,
            ended_s=(int(fields[13]) + int(fields[14])) / TICKS_PER_S,
            threads=int(fields[17]),
            resident_bytes=int(fields[21]) * PAGE_BYTES,
        )

    def traffic(self, pids: Iterable[int]) -> dict[int, Traffic]:
        """What processes have read from and written to storage, as far as that may be known."""
        found = {}
        for pid in pids:
            counts = dict(line.split(b": ", 1) for line in _read(f"{self._proc}/{pid}/io").splitlines())
            if b"read_bytes" in counts and b"write_bytes" in counts:
                found[pid] = Traffic(int(counts[b"read_bytes"]), int(counts[b"write_bytes"]))
        return found

    def _text(self, name: str) -> str:
        return _read(f"{self._proc}/{name}").decode(errors="replace")


def _disk() -> Disk | None:
    with contextlib.suppress(OSError):
        info = os.statvfs("/")
        return Disk((info.f_blocks - info.f_bfree) * info.f_frsize, info.f_bavail * info.f_frsize)
    return None


def _read(path: str) -> bytes:
    """What a file of /proc tells; nothing if it is gone or may not be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        pieces = [os.read(file, FILE_BYTES_MAX)]
        while pieces[-1] and sum(map(len, pieces)) < FILE_BYTES_MAX:
            pieces.append(os.read(file, FILE_BYTES_MAX))
        return b"".join(pieces)
    except OSError:
        return b""
    finally:
        os.close(file)
