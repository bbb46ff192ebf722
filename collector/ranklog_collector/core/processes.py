"""The job's processes: what the journal says of them, what they are called, and how they ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from ranklog_collector.core.ends import Ends
from ranklog_collector.core.journal import TIME_LIMIT, Asked, Record
from ranklog_collector.core.journal import Process as Fact
from ranklog_collector.core.lives import Lives

RANKS_MAX = 1 << 17
"""A world size above this is nonsense."""
_NUMBER_MAX = 1 << 63
_SIGKILL = 9
_ORDERLY = (1, 2, 15)  # HUP, INT, TERM: somebody wanted it to end
_MPI = ("openmpi", "mpich", "pmix")
_TOGETHER = ("torchrun", "slurm")
"""These start all ranks again when one has failed."""
_LATE_NS = 5_000_000
"""A signal that `exec` gets so long after its process has ended was sent since that has ended."""


class Outcome(Enum):
    """How a process ended; the values are Azure ML's words."""

    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"
    """Ended by somebody else: a signal, or in the wake of another's failure. Also when nobody knows."""


class Ending(Enum):
    """How a process ended, seen by itself."""

    WELL = "well"
    """Also if nobody knows how."""
    FAILED = "failed"
    """Whatever others did."""
    DOUBTFUL = "doubtful"
    """It has failed, unless another one had before: what ended it may have come from anyone."""
    BY_OTHERS = "by others"


@dataclass(slots=True, eq=False)
class Process:
    """One process of the job."""

    node: str
    key: str
    record: Record
    name: str
    attempt: int
    started_ns: int
    """By the collector's clock."""
    life: int = 0
    """Which life of the job it belongs to, counted from 0."""
    ended_ns: int | None = None
    asked_ns: int | None = None
    """When somebody wanted it to end, by a signal, if its `ranklog exec` got one."""
    exit: Record | None = None
    error_ns: int = 0
    """Of the clock by which it ended."""
    vanished: bool = False
    lost: bool = False
    """Its node is."""
    is_early: bool = False
    """Whether it was told that it ended with 0 while most others ran."""

    @property
    def rank(self) -> int | None:
        """Its rank, if the launcher gave it one."""
        return number(self.record, "rank")

    @property
    def pid(self) -> int | None:
        """Its process id, as it sees it itself."""
        return number(self.record, "pid")

    @property
    def is_launcher(self) -> bool:
        """Whether it is not part of the job but starts it."""
        return self.record.get("role") == "launcher"

    @property
    def signal(self) -> int | None:
        """The signal that ended it, also one that a shell in between turned into an exit code.

        A launcher that exits with 137 does so because a rank was killed, and was not killed itself.
        """
        signal, code = number(self.exit or {}, "signal"), number(self.exit or {}, "exit_code")
        hidden = _ORDERLY if self.is_launcher else (*_ORDERLY, _SIGKILL)
        return code - 128 if signal is None and code is not None and code - 128 in hidden else signal

    @property
    def was_exec_killed(self) -> bool:
        """Whether its `ranklog exec` was killed as well: what that had seen is not known then."""
        return "asked_signal" in (self.exit or {}) and "max_rss_bytes" not in (self.exit or {})

    @property
    def is_struck(self) -> bool:
        """Whether a signal has ended it, and it alone: its `ranklog exec` got none, which all get whom a launcher ends.

        So it has sent it to itself, or somebody to its pid.
        """
        is_known = not self.was_exec_killed and "asked_signal" in (self.exit or {})
        return is_known and self.signal is not None and self.asked_ns is None and not self.is_launcher

    @property
    def ending(self) -> Ending:
        """How it ended, as far as itself knows."""
        if self.vanished:
            return Ending.BY_OTHERS
        if self.signal in _ORDERLY:
            return Ending.DOUBTFUL if self.is_struck else Ending.BY_OTHERS
        if self.signal is not None:
            is_doubtful = self.signal == _SIGKILL and (self.exit or {}).get("oom_killed") is not True
            return Ending.DOUBTFUL if is_doubtful else Ending.FAILED
        if number(self.exit or {}, "exit_code") in (0, None):
            return Ending.WELL
        if self.asked_ns is None:
            return Ending.FAILED
        # Its way of heeding a signal. But if a rank calls MPI_Abort, its launcher asks it to end, too.
        is_doubtful = not self.is_launcher and self.record.get("launcher") in _MPI
        return Ending.DOUBTFUL if is_doubtful else Ending.BY_OTHERS


@dataclass(frozen=True, slots=True)
class Absent:
    """A rank that should be there."""

    rank: int
    name: str
    """As it will be called."""
    attempt: int


@dataclass(slots=True)
class Processes:
    """All processes of a run, in the order in which they became known."""

    several: bool = False
    """Whether the job has more than one rank."""
    spread: bool = False
    """Whether a launcher says that the job has ranks on more than one node."""
    lives: Lives = field(default_factory=Lives)
    events: list[tuple[Process, bool]] = field(default_factory=list)
    """Starts and ends (True) of the job's own processes, in order of arrival."""
    _all: dict[tuple[str, str], Process] = field(default_factory=dict)
    _names: Counter[str] = field(default_factory=Counter)
    asked: list[Asked] = field(default_factory=list)
    """Requests to end the job that came from ranklog itself."""
    _ends: defaultdict[int, Ends] = field(default_factory=lambda: defaultdict(Ends))
    """Of each life."""
    _launchers_asked: list[int] = field(default_factory=list)
    """When launchers were asked to end."""

    def __iter__(self) -> Iterator[Process]:
        """In the order in which they became known."""
        return iter(self._all.values())

    def __len__(self) -> int:
        """How many are known, launchers included."""
        return len(self._all)

    def get(self, node: str, key: str) -> Process | None:
        """The process of this key, if it is known."""
        return self._all.get((node, key))

    def apply(self, fact: Fact, offset_ns: int, error_ns: int = 0) -> None:
        """Take in a journaled fact; `offset_ns` is the collector's clock minus the node's, to ± `error_ns`."""
        process = self._all.get((fact.node, fact.key))
        if fact.event in ("lost", "back", "early"):
            if process is not None:
                process.lost = fact.event == "lost"
                process.is_early = process.is_early or fact.event == "early"
            return
        record = fact.record or {}
        if process is None:
            process = self._start(fact, record if fact.event == "started" else {}, offset_ns)
        if fact.event != "started" and process.ended_ns is None:
            self._end(process, fact, record, offset_ns, error_ns)

    @property
    def own(self) -> list[Process]:
        """The job's processes without its launcher."""
        return [one for one in self if not one.is_launcher]

    @property
    def current(self) -> list[Process]:
        """Those of the job's last life, without its launcher; also who was not started again, and lived on."""
        return [one for one in self.own if self.is_current(one)]

    def is_current(self, process: Process) -> bool:
        """Whether a process belongs to the last life of the job."""
        last, rank = self.lives.last, process.rank
        if process.life == last.number:
            return True
        if process.lost or (process.ended_ns is not None and process.ended_ns <= last.start_ns):
            return False
        return rank is None or (rank not in last.ranks and rank < (last.world_size or rank + 1))

    @property
    def world_size(self) -> int | None:
        """How many ranks the last life of the job has, if its launcher told."""
        return self.lives.last.world_size

    @property
    def is_complete(self) -> bool:
        """Whether every process that there should be has been seen, and at least one."""
        ranks = {one.rank for one in self.current if one.rank is not None}
        return bool(self.own) and (not ranks or self.world_size is None or len(ranks) >= self.world_size)

    @property
    def have_ended(self) -> bool:
        """Whether all have that were seen; of those of an earlier life nobody may ever tell."""
        return all(one.ended_ns is not None or not self.is_current(one) for one in self)

    @property
    def absent(self) -> list[Absent]:
        """Ranks that the last life of the job has, by what its launcher told, and of which nobody has heard yet."""
        world_size = self.world_size or 0
        if world_size > RANKS_MAX:
            return []
        # Who starts ranks again one by one, as Kubernetes does, leaves alone those that have ended well.
        are_together = any(one.record.get("launcher") in _TOGETHER for one in self.current)
        present = {one.rank for one in (self.current if are_together else self.own)}
        return [
            Absent(rank, *self._name_of(f"rank_{rank}", self._names[f"rank_{rank}"] + 1))
            for rank in range(world_size)
            if rank not in present
        ]

    @property
    def asked_why(self) -> str | None:
        """Why `ranklog run` first asked the last life of the job to end; None if it did not."""
        last = self.lives.last
        return next((one.why for one in self.asked if not last.number or one.time >= last.start_ns), None)

    def outcome(self, process: Process) -> Outcome | None:
        """How a process ended, as far as is known now; None if it has not."""
        if process.ended_ns is None:
            return None
        if process.ending is Ending.DOUBTFUL:
            return Outcome.FAILED if self._was_first(process) else Outcome.TERMINATED
        if process.ending is Ending.BY_OTHERS and self._is_echo(process):
            return Outcome.FAILED
        return _OUTCOMES[process.ending]

    def verdict(self) -> str:
        """The state in which a run with these processes ends: completed, failed, canceled or lost."""
        deciding = self._launchers() or self.current
        outcomes = {self.outcome(one) for one in deciding}
        # A job that reaches its time limit was not canceled by anybody.
        canceled = "failed" if self.asked_why == TIME_LIMIT else "canceled"
        if None not in outcomes and self._were_asked(deciding):
            return canceled
        if Outcome.FAILED in outcomes:
            return "failed"
        if not outcomes or None in outcomes or any(one.vanished for one in deciding):
            return "lost"
        # Nobody kills a job without a word who only wants it to end.
        canceled = "failed" if any(one.signal == _SIGKILL for one in deciding) else canceled
        return canceled if Outcome.TERMINATED in outcomes else "completed"

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _launchers(self) -> list[Process]:
        """Launchers of the last life that have ended, of each node the latest: they have the last word."""
        last = self.lives.last
        ended = [
            one for one in self if one.is_launcher and one.exit is not None and (one.ended_ns or 0) > last.start_ns
        ]
        return list({one.node: one for one in sorted(ended, key=lambda one: one.started_ns)}.values())

    def _was_first(self, process: Process) -> bool:
        """Whether a signal that may have come from anyone has ended a process before anything else went wrong."""
        ends = self._ends[process.life]
        if self._had_launcher_asked(process) or ends.are_at_once:
            return False
        if not ends.may_be_first(process.ended_ns or 0, process.error_ns, process.is_struck):
            return False
        # Launchers that lose a node kill all groups of processes that they have left.
        return not (process.was_exec_killed and any(one.lost for one in self.current))

    def _is_echo(self, process: Process) -> bool:
        """Whether a launcher ends with 128 and a signal, got none itself, and one of its ranks has failed.

        It is the signal that has ended a rank: that one, or one that the launcher has ended for its sake.
        """
        if not process.is_launcher or process.asked_ns is not None or number(process.exit or {}, "signal") is not None:
            return False
        return any(self.outcome(one) is Outcome.FAILED for one in self.current)

    def _had_launcher_asked(self, process: Process) -> bool:
        """Whether somebody wanted the job to end while a process was part of it: then its launcher has ended it."""
        ended_ns, asked = process.ended_ns or 0, (*self._launchers_asked, *(one.time for one in self.asked))
        return any(process.started_ns <= asked_ns <= ended_ns for asked_ns in asked)

    def _were_asked(self, deciding: list[Process]) -> bool:
        """Whether somebody wanted the job to end, before anything else had gone wrong with these."""
        terminated = [one for one in deciding if self.outcome(one) is Outcome.TERMINATED]
        asked = [one.asked_ns for one in terminated if one.asked_ns is not None]
        failed = [one.ended_ns or 0 for one in deciding if self.outcome(one) is Outcome.FAILED]
        return bool(asked) and all(ended_ns >= min(asked) for ended_ns in failed)

    def _start(self, fact: Fact, record: Record, offset_ns: int) -> Process:
        start_ns = number(record, "start_ns")
        process = Process(fact.node, fact.key, record, "", 1, fact.time if start_ns is None else start_ns + offset_ns)
        self._all[fact.node, fact.key] = process
        world_size = number(record, "world_size")
        rank = None if process.is_launcher else process.rank
        process.life = self.lives.place(rank, world_size, process.started_ns)
        if process.is_launcher:
            process.name = process.key if process.pid is None else f"launcher_{process.pid}"
            return process
        base = self._base_name(process)
        self._names[base] += 1
        process.name, process.attempt = self._name_of(base, self._names[base])
        self._ends[process.life].started += 1
        self._note_size(process)
        self.events.append((process, False))
        return process

    def _name_of(self, base: str, attempt: int) -> tuple[str, int]:
        return (base if attempt == 1 else f"{base}_attempt{attempt}"), attempt

    def _base_name(self, process: Process) -> str:
        if process.rank is not None:
            return f"rank_{process.rank}"
        local = number(process.record, "local_rank")
        name = f"process_{process.pid or process.key}"
        if not process.pid and local is not None:
            name = f"local_rank_{local}"
        # Nodes number their processes each for itself.
        return name if name not in self._names else f"{name}_{process.node}"

    def _note_size(self, process: Process) -> None:
        world, local = number(process.record, "world_size"), number(process.record, "local_size")
        self.several = self.several or (world or 0) > 1 or len(self._names) > 1
        self.spread = self.spread or (world is not None and local is not None and world > local)

    def _end(self, process: Process, fact: Fact, record: Record, offset_ns: int, error_ns: int) -> None:
        process.error_ns = error_ns
        end_ns = number(record, "end_ns")
        process.ended_ns = fact.time if end_ns is None else end_ns + offset_ns
        process.lost = False
        process.vanished = fact.event == "vanished"
        process.exit = None if process.vanished else record
        asked_ns = number(record, "asked_ns")
        if asked_ns is not None and (end_ns is None or asked_ns <= end_ns + _LATE_NS):
            process.asked_ns = asked_ns + offset_ns
        if process.is_launcher:
            self._launchers_asked += [] if process.asked_ns is None else [process.asked_ns]
            return
        if process.ending in (Ending.FAILED, Ending.DOUBTFUL):
            is_killed = process.ending is Ending.DOUBTFUL and process.signal is not None
            was_grouped = is_killed and process.was_exec_killed
            self._ends[process.life].add(process.ended_ns, error_ns, is_killed and process.is_struck, was_grouped)
        self.events.append((process, True))


_OUTCOMES = {
    Ending.WELL: Outcome.COMPLETED,
    Ending.FAILED: Outcome.FAILED,
    Ending.BY_OTHERS: Outcome.TERMINATED,
}


def number(record: Record, name: str) -> int | None:
    """A field that should be a number that is not negative, if it is."""
    value = record.get(name)
    return value if type(value) is int and 0 <= value < _NUMBER_MAX else None
