"""What a verdict is made from: what was recorded of a run, as far as it may prove something. Pure values.

Times are ns on the collector's clock; what is not known is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ranklog_collector.core.verdict.finding import Category, Confidence, Quote
from ranklog_collector.core.verdict.signatures import Role


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened: from `earliest_ns` to `latest_ns`, by a clock that is right to ± `error_ns`."""

    earliest_ns: int
    latest_ns: int
    error_ns: int = 0
    node: str = ""
    """Whose clock it is: two moments of one clock have no error between them."""

    def is_before(self, other: Moment) -> bool:
        """Whether it was surely before another."""
        error = 0 if self.node and self.node == other.node else self.error_ns + other.error_ns
        return self.latest_ns + error < other.earliest_ns

    def is_tied_with(self, other: Moment) -> bool:
        """Whether nobody can tell which of the two was first."""
        return not self.is_before(other) and not other.is_before(self)

    @property
    def spread_ns(self) -> int:
        """How far `latest_ns` may be off."""
        return self.error_ns + self.latest_ns - self.earliest_ns


@dataclass(frozen=True, slots=True)
class Sign:
    """A line, or a traceback, that a signature knows."""

    signature: str
    role: Role
    category: Category
    says: str
    """What it means, in a few words."""
    quote: Quote
    moment: Moment
    facts: Mapping[str, str] = field(default_factory=dict)
    is_timeout: bool = False
    is_launchers: bool = False
    """As of a signature."""
    is_traceback: bool = False
    lines_after: int = 0
    """How many lines came after it in its stream."""
    has_gone_on: bool = False
    """Whether the process then went on with its work, as its lines show."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far a process has come. Steps of different kinds say nothing about each other."""

    kind: str
    epoch: int | None = None
    number: int | None = None

    @property
    def progress(self) -> tuple[int, int]:
        """Grows with every step."""
        return (self.epoch or 0, self.number or 0)

    def __str__(self) -> str:
        """For people."""
        names = (("epoch", self.epoch), ("step", self.number))
        return ", ".join(f"{name} {value}" for name, value in names if value is not None)


@dataclass(frozen=True, slots=True)
class Member:
    """One process of the job, or a launcher."""

    name: str
    role: str = "rank"
    rank: int | None = None
    life: int = 0
    """Which life of the job it belongs to, counted from 0: launchers start jobs again."""
    node: str = ""
    ip: str = ""
    hostname: str = ""
    pid: int | None = None
    exec_pid: int | None = None
    """Of the `ranklog exec` around it, which launchers take for the rank."""
    state: str = "Running"
    """As `ranklog ps` has it."""
    exit: str = ""
    """Likewise."""
    exit_code: int | None = None
    signal: int | None = None
    was_oom_killed: bool = False
    started_ns: int | None = None
    ended_ns: int | None = None
    ended: Moment | None = None
    asked_signal: int | None = None
    """The first signal by which somebody wanted it to end while it lived."""
    asked: Moment | None = None
    """When that came."""
    was_struck: bool = False
    """Whether a signal has ended it, and it alone: its `ranklog exec`, which launchers signal, got none."""
    was_exec_killed: bool = False
    """Whether its `ranklog exec` was killed as well: whoever did it killed whole groups, as launchers do in the end."""
    last_output_ns: int | None = None
    spoke: tuple[int, ...] = ()
    """When its output grew, as far as that is remembered: the latest times, in order."""
    signs: tuple[Sign, ...] = ()
    """In the order of its output."""
    last_words: tuple[Quote, ...] = ()
    """Its last line; not one that a signature has taken."""
    step: Step | None = None
    """The latest it told of."""
    lost_bytes: int = 0

    @property
    def has_completed(self) -> bool:
        """Whether it ended with 0."""
        return self.ended is not None and self.exit_code == 0 and not self.signal

    @property
    def is_launcher(self) -> bool:
        """Whether it starts the job rather than being part of it."""
        return self.role == "launcher"


@dataclass(frozen=True, slots=True)
class Machine:
    """One node."""

    id: str
    ip: str = ""
    hostname: str = ""
    event: str = "joined"
    """The latest of joined, rejoined, lost, left, fenced."""
    time_ns: int = 0
    """Of that."""
    heard_ns: int | None = None
    """When it last said anything, as far as is known."""
    error_ns: int = 0
    """Of its clock."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What stacks or a flight recorder say of ranks that the others wait for."""

    ranks: tuple[int, ...]
    why: str
    """`is in main (trainer.py:17) while the others wait in all_reduce`."""
    confidence: Confidence
    time_ns: int | None = None
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """`ranklog run` has asked the job to end."""

    category: Category
    """TIME_LIMIT or CANCELED."""
    by: str
    """`--max-duration 60`, `SIGINT to ranklog run`."""
    time_ns: int
    quotes: tuple[Quote, ...] = ()

    def __str__(self) -> str:
        """What became of the job, for people."""
        words = "reached its time limit" if self.category is Category.TIME_LIMIT else "was asked to end"
        return f"{words} ({self.by})"


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it."""

    run: str
    """What to type for RUN."""
    members: tuple[Member, ...] = ()
    """Processes of the job; ranks that were never seen are NotStarted."""
    launchers: tuple[Member, ...] = ()
    machines: tuple[Machine, ...] = ()
    state: str = "running"
    """Of the run, as the journal has it."""
    is_live: bool = False
    """Whether it goes on: nobody has said yet how it ends."""
    now_ns: int = 0
    world_size: int | None = None
    requests: tuple[Request, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()
    """The strongest first."""
    remarks: tuple[str, ...] = ()
    """What is known to be missing or wrong about the evidence itself."""
