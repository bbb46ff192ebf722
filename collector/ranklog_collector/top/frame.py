"""A run at a moment, as `ranklog top` sees it. Pure values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ranklog_collector.core.verdict.finding import Verdict
from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.steps import Step

TROUBLED = (ProcessState.FAILED, ProcessState.LOST)
"""States that deserve a look; who was terminated is one of many whom another's failure took along."""


class Mark(str, Enum):
    """What makes a running process stand out among the others."""

    NONE = ""
    SILENT = "silent"
    """The others have spoken since it last did, by far."""
    BEHIND = "behind"
    """The others are further, by far."""


class Part(str, Enum):
    """What the verdict says of a process."""

    NONE = ""
    CULPRIT = "culprit"
    VICTIM = "victim"


@dataclass(frozen=True, slots=True)
class Use:
    """What a process uses, as its agent saw it last; None is what is not known."""

    cpu: float | None = None
    """Percent of one core."""
    memory: float | None = None
    """Bytes."""
    gpu: float | None = None
    """Percent of the GPU whose number is the local rank."""
    gpu_memory: float | None = None
    """Bytes."""


NOTHING = Use()


@dataclass(frozen=True, slots=True)
class Row:
    """One process. Times are nanoseconds on the collector's clock; None is what is not known."""

    name: str
    rank: int | None
    state: ProcessState
    attempt: int = 1
    is_launcher: bool = False
    program: str = ""
    key: str = ""
    node: str = ""
    ip: str = ""
    hostname: str = ""
    pid: int | None = None
    exit: str = ""
    started_ns: int | None = None
    ended_ns: int | None = None
    bytes: int = 0
    last_output_ns: int | None = None
    line: str | None = None
    """What it said last, fit to be shown; None if that has not been read yet."""
    step: Step | None = None
    is_step_current: bool = False
    """Whether it has said nothing since the step was read."""
    use: Use = NOTHING
    mark: Mark = Mark.NONE
    part: Part = Part.NONE

    @property
    def stands_out(self) -> bool:
        """Whether something about it deserves a look."""
        return self.state in TROUBLED or self.mark is not Mark.NONE or self.part is Part.CULPRIT

    @property
    def label(self) -> str:
        """What it is called in a table: its rank, else what it is."""
        if self.is_launcher:
            return self.program or "launcher"
        name = str(self.rank) if self.rank is not None else self.name.removeprefix("process_")
        return name if self.attempt == 1 else f"{name}#{self.attempt}"

    def age_ns(self, now_ns: int) -> int | None:
        """How long it has said nothing: since its start, if it never has."""
        since = self.last_output_ns or self.started_ns
        return None if since is None else max(0, now_ns - since)


@dataclass(frozen=True, slots=True)
class Frame:
    """All of it."""

    run_id: str
    experiment: str
    path: str
    state: str
    has_ended: bool
    is_written: bool
    started_ns: int
    now_ns: int
    rows: Sequence[Row]
    nodes: int
    bytes: int
    bytes_per_s: float | None = None
    starts: int = 1
    """How often the job has been started: only processes of the last time are shown."""
    lost_nodes: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    """Sentences."""
    verdict: Verdict | None = None
    is_judging: bool = False
    """Whether a verdict is being sought."""
    problem: str = ""
    """Why the run cannot be read at present."""

    @property
    def own(self) -> list[Row]:
        """The job's processes, without its launchers."""
        return [row for row in self.rows if not row.is_launcher]

    @property
    def counts(self) -> Counter[ProcessState]:
        """How many of the job's processes there are in each state."""
        return Counter(row.state for row in self.rows if not row.is_launcher)

    @property
    def marks(self) -> Counter[Mark]:
        """How many stand out in each way."""
        return Counter(row.mark for row in self.rows if row.mark is not Mark.NONE)
