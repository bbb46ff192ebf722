"""What is found in the files that a job left. Times are nanoseconds since the Unix epoch."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class File:
    """A regular file below one of the places that are imported."""

    path: str
    """Absolute."""
    place: int
    """Which of the places, counted from 0."""
    name: str
    """Relative to the place; of a place that is a file itself, its name."""
    size: int
    mtime_ns: int
    folder_ns: int
    """When its folder was last changed: as a rule when the file was made."""
    parent_ns: int = 0
    """When the folder around its folder was last changed: as a rule when its folder was made."""
    device: int = 0
    inode: int = 0
    is_named: bool = False
    """Whether it is a place itself."""

    @property
    def base(self) -> str:
        """Its name without folders."""
        return self.path.rpartition("/")[2]

    @property
    def began_ns(self) -> int | None:
        """When it was made, if that can be told: into a rank's own folder of torchrun's its exception comes later."""
        folder_ns = self.parent_ns if self.path.endswith(("/stdout.log", "/stderr.log")) else self.folder_ns
        return folder_ns if 0 < folder_ns <= self.mtime_ns else None


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote a file, as far as its place or a tag tells."""

    rank: int | None = None
    local_rank: int | None = None
    attempt: int = 0
    node: str = ""
    """Empty if nothing tells."""
    pid: int | None = None
    group: str = ""
    """Of writers with a local rank: what they have in common, and what their global ranks hang on."""
    launcher: str = "none"
    job: str = ""


@dataclass(frozen=True, slots=True)
class How:
    """A code or a signal that ended a process."""

    exit_code: int | None = None
    signal: int | None = None
    oom_killed: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended, as its launcher said. Who it was is told by its rank, or by its node and pid."""

    how: How | None
    """None: it was gone, and nobody knows how."""
    rank: int | None = None
    node: str = ""
    pid: int | None = None
    time_ns: int | None = None
    group: str = ""
    local_rank: int | None = None
    attempt: int | None = None
    """Of a launcher that starts its ranks again: the how-manieth failure that it told of. None: the last attempt's."""


@dataclass(slots=True)
class Evidence:
    """What launchers say of the job beside its output."""

    ends: list[End] = field(default_factory=list)
    nodes: dict[int, str] = field(default_factory=dict)
    """On which node a rank is."""
    pids: dict[int, int] = field(default_factory=dict)
    """Of a rank."""
    bases: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Of a group: the global rank of its local rank 0, and its node or ""."""
    addresses: dict[str, str] = field(default_factory=dict)
    """Of a node."""
    containers: dict[tuple[str, str, int], End] = field(default_factory=dict)
    """How the lives of containers ended, by (pod, container, restart)."""
    has_failed: bool = False
    """Whether the job failed, whoever did."""
    was_canceled: bool = False

    def add(self, other: Evidence) -> None:
        """Take over what another one says."""
        self.ends += other.ends
        for rank, node in other.nodes.items():
            self.nodes.setdefault(rank, node)
        for rank, pid in other.pids.items():
            self.pids.setdefault(rank, pid)
        for group, (base, node) in other.bases.items():
            if group not in self.bases or (node and not self.bases[group][1]):
                self.bases[group] = base, node
        self.addresses.update(other.addresses)
        self.has_failed = self.has_failed or other.has_failed
        self.was_canceled = self.was_canceled or other.was_canceled
