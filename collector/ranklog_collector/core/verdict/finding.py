"""What a verdict says: the result, as the command, HTTP and programs show it. Times are ns on the collector's clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Category(str, Enum):
    """What kind of event it was. The values are what `--json` says."""

    EXCEPTION = "exception"
    """A traceback of the program's own language."""
    IMPORT = "import"
    """A module, library or program is not there."""
    USAGE = "usage"
    """Bad arguments or configuration."""
    CRASH = "crash"
    """SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL."""
    OUT_OF_MEMORY = "out-of-memory"
    """The kernel's OOM killer."""
    GPU_MEMORY = "gpu-memory"
    GPU = "gpu"
    """CUDA, Xid, ECC."""
    COLLECTIVE = "collective"
    """NCCL, gloo or MPI: an error or time-out of a collective."""
    MPI_ABORT = "mpi-abort"
    KILLED = "killed"
    """SIGKILL or SIGTERM from outside, by nobody knows whom."""
    EXIT_CODE = "exit-code"
    """It ended with a code other than 0 and said nothing that tells why."""
    EARLY_EXIT = "early-exit"
    """It ended with 0 while the others worked on."""
    NOT_STARTED = "not-started"
    """Nobody has ever heard of it, and the others waited for it."""
    HANG = "hang"
    """It stands still: the others wait for it, or all of them for nobody knows what."""
    LAUNCHER_HANG = "launcher-hang"
    """All ranks have ended, their launcher has not."""
    NODE_LOST = "node-lost"
    DISK_FULL = "disk-full"
    PREEMPTED = "preempted"
    TIME_LIMIT = "time-limit"
    CANCELED = "canceled"
    """Somebody asked for the end."""
    UNKNOWN = "unknown"


class Status(str, Enum):
    """What there is to say of a run."""

    FAILED = "failed"
    SUSPECT = "suspect"
    """It still runs, or ended well, but something is not as it should be: a hang, a lost node, an early exit."""
    CANCELED = "canceled"
    FINE = "fine"
    UNKNOWN = "unknown"
    """It did not end well, and the evidence does not tell why."""


class Confidence(str, Enum):
    """How far the evidence carries."""

    CERTAIN = "certain"
    """A wait status or the kernel says so, and nothing else can have been first."""
    LIKELY = "likely"
    """The signs agree; another order within the clocks' error, or what was not recorded, could change it."""
    POSSIBLE = "possible"
    """The best of several readings."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A line that proves something: where it is, when it came, what it says."""

    text: str
    path: str
    """Of the file in the run folder."""
    offset: int
    """Of the line in the file, in bytes."""
    time_ns: int | None
    process: str = ""
    """Name of the process that said it, as `ranklog ps` has it; empty of a launcher's or the node's file."""
    signature: str = ""
    """Name of the signature that it matched, if it is evidence by its text."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """One process or node that the verdict names."""

    name: str
    """As `ranklog ps` has it (`rank_3`); of a node its id."""
    category: Category
    summary: str
    """What it did, without its name: `was killed by SIGKILL`, `raised RuntimeError: boom`."""
    rank: int | None = None
    node: str = ""
    ip: str = ""
    hostname: str = ""
    pid: int | None = None
    exit: str = ""
    """As `ranklog ps` has it: a code, a signal's name, OOM."""
    time_ns: int | None = None
    """Of the event, corrected."""
    error_ns: int = 0
    """The time is right to ± this much."""
    quotes: tuple[Quote, ...] = ()
    last_words: tuple[Quote, ...] = ()
    """What it said last, if that is not among the quotes."""

    @property
    def has_said_why(self) -> bool:
        """Whether a quote is in its own words, not only in a launcher's."""
        return any(quote.process == self.name for quote in self.quotes)


@dataclass(frozen=True, slots=True)
class Consequence:
    """What happened to others in its wake: processes to which the same thing happened, folded."""

    what: str
    """`ended by SIGTERM`, `connection closed by 10.77.0.11`, `collective timed out`."""
    names: tuple[str, ...]
    ranks: tuple[int, ...]
    delay_min_ns: int | None = None
    """After the first event; negative if within the clocks' error."""
    delay_max_ns: int | None = None
    quotes: tuple[Quote, ...] = ()
    """Of one of them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All there is to say of why a run is as it is."""

    status: Status
    headline: str
    """One line: `rank 3 (node1 10.77.0.11, pid 1306) was killed by SIGKILL at 21:25:31.482 ±3 ms`."""
    category: Category | None = None
    confidence: Confidence | None = None
    culprits: tuple[Culprit, ...] = ()
    """The first one, or all between which the evidence cannot decide (`is_tie`), or all that have the same error."""
    is_tie: bool = False
    """Whether the culprits' events lie within the clocks' error: one of them was first."""
    consequences: tuple[Consequence, ...] = ()
    quotes: tuple[Quote, ...] = ()
    """What proves it, if it is about the job and not about culprits."""
    attempt: int | None = None
    """Of a job that is restarted: which life of it this is about, counted from 0."""
    remarks: tuple[str, ...] = ()
    """What to know before trusting it: lost bytes, silent nodes, clocks that are not measured, earlier attempts."""
    next_steps: tuple[str, ...] = ()
    """What to look at now: commands to type."""
