"""What is known of one run: its nodes, processes, streams and segments."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from ranklog_collector.core import journal
from ranklog_collector.core.presence import FINAL, NOT_STARTED
from ranklog_collector.core.processes import Processes
from ranklog_collector.reading.timeline import Moments, NodeClock, Timeline


@dataclass(slots=True)
class Node:
    """One machine of the run."""

    id: str
    ip: str = ""
    hostname: str = ""
    event: str = ""
    """The latest of joined, rejoined, lost, left, fenced; empty if only its streams are known."""
    time: int = 0
    reason: str = ""
    heard: int = 0
    """When anything came of it last, if it is lost."""
    version: str = ""
    undelivered: int = 0
    clock: NodeClock = field(default_factory=NodeClock)


@dataclass(slots=True)
class Segment:
    """One incarnation of a source file, as far as its bytes are vouched for."""

    number: int
    id: str
    stream: int
    source: str
    device: int
    inode: int
    is_snapshot: bool
    extents: list[journal.Extent] = field(default_factory=list)
    ends: array[int] = field(default_factory=lambda: array("q"))
    """Of its marks: how many of its bytes are vouched for."""
    checksums: array[int] = field(default_factory=lambda: array("q"))
    closed: journal.Close | journal.Snapshot | None = None
    gaps: list[journal.Gap] = field(default_factory=list)

    @property
    def end(self) -> int:
        """How many of its bytes are vouched for."""
        return self.ends[-1] if self.ends else 0


@dataclass(slots=True)
class Stream:
    """One file of the run folder and the segments that it consists of."""

    number: int
    node: str
    role: str
    process: str
    name: str
    path: str
    former_paths: list[str] = field(default_factory=list)
    extents: list[journal.Extent] = field(default_factory=list)
    size: int = 0
    """How many bytes of the file are vouched for."""
    timeline: Timeline = field(default_factory=Timeline)
    segments: list[int] = field(default_factory=list)
    snapshot: int | None = None
    """The segment that is the whole file, if the file is rewritten rather than appended to."""
    rewrites: int = 0
    """How often bytes were taken back or the file replaced: what was read before may not be there any more."""


@dataclass(slots=True)
class RunState:
    """Everything that the journal told so far (replay.py)."""

    run: journal.Run | None = None
    nodes: dict[str, Node] = field(default_factory=dict)
    processes: Processes = field(default_factory=Processes)
    streams: dict[int, Stream] = field(default_factory=dict)
    segments: dict[int, Segment] = field(default_factory=dict)
    state: str = NOT_STARTED
    state_time: int = 0
    pause: journal.Pause | None = None
    stack_requests: dict[str, journal.Stacks] = field(default_factory=dict)
    """When agents were asked for stacks, by the request's id."""
    is_stopped: bool = False
    """Whether the collector was shut down in order, with nothing after it."""
    heard: int = 0
    """The collector's clock at the latest entry that tells it."""
    revision: int = 0
    """Grows with every entry that is not about bytes and times alone."""
    stray: int = 0
    """Entries that speak of what is not known, or nonsense."""

    @property
    def has_ended(self) -> bool:
        """Whether the run is over."""
        return self.state in FINAL

    def clock(self, stream: Stream) -> NodeClock:
        """Of the node that wrote the stream; what came by REST came from none."""
        return self.node(stream.node).clock if stream.node else NodeClock()

    def moments(self, stream: Stream) -> Moments:
        """When the stream's bytes came; those of a stream that nobody vouches for, after all that is known."""
        return stream.timeline.moments(self.clock(stream), self.heard)

    def node(self, name: str) -> Node:
        """Look a node up, or get to know it."""
        return self.nodes.setdefault(name, Node(name))
