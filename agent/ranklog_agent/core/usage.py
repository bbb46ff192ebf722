"""What the job's processes use: two looks at the node's processes become a sample of each.

A process is taken together with its descendants, down to those that are processes of the job themselves. CPU time and
I/O of descendants that have ended and were waited for are in their parent's account; what was counted while they lived
is taken off there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Sample = dict[str, float]
"""Values by name, as they become a point."""

SHORTEST_S = 0.5
"""Over a shorter time CPU use is noise: the kernel counts in hundredths of a second."""
YOUNG_S = 60.0
"""What a process has used since it began says how busy it is only if that was not long ago."""
MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Seen:
    """One process as the kernel accounts for it."""

    parent: int
    started_ticks: int
    own_s: float
    """CPU time of its threads."""
    ended_s: float
    """CPU time of its children that it waited for."""
    threads: int
    resident_bytes: int

    @property
    def total_s(self) -> float:
        """CPU time in its account."""
        return self.own_s + self.ended_s


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes read from and written to storage, those of waited-for children included."""

    read: int
    written: int


@dataclass(frozen=True, slots=True)
class Root:
    """A process of the job; start time and pid together name it for good."""

    pid: int
    started_ticks: int | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How much CPU time a process of the job has used in its life."""

    key: str
    start_ns: int
    end_ns: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Present:
    """What is known of the job's processes on this node."""

    roots: dict[str, Root]
    """Those that live, by their keys."""
    ended: list[Ended] = field(default_factory=list)
    """Those that have ended since this was last asked."""
    has_hidden: bool = False
    """Whether there are some whose pids do not hold here."""


@dataclass(frozen=True, slots=True)
class Look:
    """All processes of the node at one moment."""

    time_ns: int
    clock_ns: int
    """By a clock that never jumps."""
    ticks: int
    """By the clock of `Seen.started_ticks`."""
    seen: Mapping[int, Seen]
    trees: Mapping[str, list[int]]
    """Which of them belong to which process of the job, by its key; that process itself comes first."""
    traffic: Mapping[int, Traffic] = field(default_factory=dict)
    """Of those, as far as it may be read."""
    gpu_bytes: Mapping[int, int] = field(default_factory=dict)
    """GPU memory that they hold."""

    def age_s(self, pid: int) -> float:
        """How long ago a process began."""
        return (1 - self.seen[pid].started_ticks / max(1, self.ticks)) * self.clock_ns / 1e9


def trees(seen: Mapping[int, Seen], roots: Mapping[str, Root]) -> dict[str, list[int]]:
    """Tell which processes belong to which of the job's: the nearest one above them."""
    owners = {root.pid: key for key, root in roots.items() if _is_here(seen, root)}
    found = {key: [pid] for pid, key in owners.items()}
    known = dict(owners)
    for pid in seen:
        way: list[int] = []
        above = pid
        # A look is not taken in one moment: parents may lead in a circle.
        while above not in known and above in seen and len(way) <= len(seen):
            way.append(above)
            above = seen[above].parent
        owner = known.get(above, "")
        known.update(dict.fromkeys(way, owner))
        if owner and pid not in owners:
            found[owner].append(pid)
    return found


def _is_here(seen: Mapping[int, Seen], root: Root) -> bool:
    return root.pid in seen and seen[root.pid].started_ticks == root.started_ticks


@dataclass(slots=True)
class Meter:
    """Remembers the last look."""

    began_ns: int
    _before: Look | None = None
    _traffic: dict[str, Traffic] = field(default_factory=dict)

    def read(self, look: Look) -> dict[str, Sample]:
        """Give a sample of each process of the job that lives."""
        before, self._before = self._before, look
        change = _Change(before, look) if before is not None else None
        return {key: self._sample(key, pids, look, change) for key, pids in look.trees.items()}

    def last_sample(self, ended: Ended) -> Sample | None:
        """Give the sample for the time between the last look and a process's end, if that is worth one."""
        before, looked = self._before, False
        since_ns, used_s = ended.start_ns, 0.0
        if before is not None and ended.key in before.trees:
            looked = True
            since_ns, used_s = before.time_ns, sum(before.seen[pid].total_s for pid in before.trees[ended.key])
        elapsed_s = (ended.end_ns - since_ns) / 1e9
        self._traffic.pop(ended.key, None)
        if elapsed_s < SHORTEST_S or (not looked and ended.end_ns < self.began_ns):
            return None
        return {"process/cpu_utilization_percentage": _percent(max(0.0, ended.cpu_s - used_s), elapsed_s)}

    def _sample(self, key: str, pids: list[int], look: Look, change: _Change | None) -> Sample:
        sample: Sample = {}
        if change is not None and change.knew(pids[0]):
            used_s, elapsed_s = change.cpu_s(pids), change.elapsed_s
        else:
            used_s, elapsed_s = sum(look.seen[pid].total_s for pid in pids), look.age_s(pids[0])
            elapsed_s = elapsed_s if elapsed_s < YOUNG_S else 0.0
        if elapsed_s >= SHORTEST_S:
            sample["process/cpu_utilization_percentage"] = _percent(used_s, elapsed_s)
        sample["process/memory_rss_megabytes"] = megabytes(sum(look.seen[pid].resident_bytes for pid in pids))
        sample["process/threads"] = sum(look.seen[pid].threads for pid in pids)
        moved = self._moved(key, pids, look, change)
        if moved is not None:
            sample["process/read_megabytes"] = megabytes(moved.read)
            sample["process/write_megabytes"] = megabytes(moved.written)
        if look.gpu_bytes:
            sample["process/gpu_memory_megabytes"] = megabytes(sum(look.gpu_bytes.get(pid, 0) for pid in pids))
        return sample

    def _moved(self, key: str, pids: list[int], look: Look, change: _Change | None) -> Traffic | None:
        """What a process has read and written so far."""
        if not any(pid in look.traffic for pid in pids):
            return None
        if key in self._traffic and change is not None:
            more = change.traffic(pids)
        else:
            more = _sum(look.traffic[pid] for pid in pids if pid in look.traffic)
        self._traffic[key] = _sum((self._traffic.get(key, Traffic(0, 0)), more))
        return self._traffic[key]


class _Change:
    """What happened between two looks."""

    def __init__(self, before: Look, now: Look) -> None:
        self._before = before
        self._now = now
        self.elapsed_s = (now.clock_ns - before.clock_ns) / 1e9
        self._gone: dict[int, list[int]] = {}
        """Children that are not there any more."""
        for pid, one in before.seen.items():
            if not _is_here(now.seen, Root(pid, one.started_ticks)):
                self._gone.setdefault(one.parent, []).append(pid)
        self._above_roots = _above(before.seen, (pids[0] for pids in before.trees.values()))

    def knew(self, pid: int) -> bool:
        """Whether a process was looked at before."""
        return self._prior(pid) is not None

    def cpu_s(self, pids: Iterable[int]) -> float:
        """CPU time that was used by processes and those of their children that ended."""
        return sum(self._cpu_s(pid) for pid in pids)

    def _cpu_s(self, pid: int) -> float:
        now, prior = self._now.seen[pid], self._prior(pid)
        if prior is None:
            # What was there already, but not looked at, may have used it at any time.
            return now.total_s if now.started_ticks >= self._before.ticks else 0.0
        ended_s = now.ended_s - prior.ended_s - sum(self._before.seen[gone].total_s for gone in self._gone_of(pid))
        if self._is_others(pid):
            ended_s = 0.0
        return max(0.0, now.own_s - prior.own_s) + max(0.0, ended_s)

    def traffic(self, pids: Iterable[int]) -> Traffic:
        """Bytes that were read and written, likewise."""
        return _sum(self._traffic(pid) for pid in pids if pid in self._now.traffic)

    def _traffic(self, pid: int) -> Traffic:
        if self._is_others(pid):
            return Traffic(0, 0)
        known = self._before.traffic
        counted = [known[one] for one in (pid, *self._gone_of(pid)) if one in known and self._prior(pid) is not None]
        now, then = self._now.traffic[pid], _sum(counted)
        return Traffic(max(0, now.read - then.read), max(0, now.written - then.written))

    def _prior(self, pid: int) -> Seen | None:
        prior = self._before.seen.get(pid)
        is_same = prior is not None and prior.started_ticks == self._now.seen[pid].started_ticks
        return prior if is_same else None

    def _gone_of(self, pid: int) -> list[int]:
        return self._gone.get(pid, [])

    def _is_others(self, pid: int) -> bool:
        """Whether a child has ended in whose account another process of the job may be: that is counted over there."""
        return any(gone in self._above_roots for gone in self._gone_of(pid))


def _above(seen: Mapping[int, Seen], roots: Iterable[int]) -> set[int]:
    """Processes and all that are above them."""
    found: set[int] = set()
    for root in roots:
        pid = root
        while pid in seen and pid not in found:
            found.add(pid)
            pid = seen[pid].parent
    return found


def _sum(parts: Iterable[Traffic]) -> Traffic:
    read = written = 0
    for part in parts:
        read, written = read + part.read, written + part.written
    return Traffic(read, written)


def _percent(used_s: float, elapsed_s: float) -> float:
    return round(100 * used_s / elapsed_s, 2)


def megabytes(count: float) -> float:
    """Bytes as millions of bytes."""
    return round(count / MEGABYTE, 3)
