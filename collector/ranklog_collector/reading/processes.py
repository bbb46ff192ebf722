"""Every process of a run, as `ranklog ps` shows it."""

from __future__ import annotations

import os.path
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from signal import Signals

from ranklog_collector.core.processes import Outcome, Process, number
from ranklog_collector.reading.state import RunState, Stream

OUTPUT_ROLES = frozenset({"stdout", "stderr", "launcher_stdout", "launcher_stderr", "launcher_log"})


class ProcessState(str, Enum):
    """How a process is doing."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"
    LOST = "Lost"


@dataclass(frozen=True, slots=True)
class ProcessView:
    """One process. Times are nanoseconds on the collector's clock; None is what is not known."""

    name: str
    role: str
    rank: int | None
    state: ProcessState
    attempt: int = 1
    """1 is the first process of its rank."""
    life: int = 0
    """Which life of the job it belongs to, counted from 0."""
    is_current: bool = True
    """Whether no restart of the job has replaced it."""
    local_rank: int | None = None
    node: str = ""
    ip: str = ""
    hostname: str = ""
    pid: int | None = None
    program: str = ""
    """File name of what it runs."""
    key: str = ""
    exit_code: int | None = None
    signal: int | None = None
    was_oom_killed: bool = False
    started_ns: int | None = None
    ended_ns: int | None = None
    bytes: int = 0
    last_output_ns: int | None = None
    log: str = ""
    """Path of its output in the run folder."""

    @property
    def exit(self) -> str:
        """How it ended, in a word: its code, its signal, or OOM."""
        if self.was_oom_killed:
            return "OOM"
        if self.signal is not None:
            return _signal_name(self.signal)
        return "" if self.exit_code is None else str(self.exit_code)


def processes(state: RunState) -> list[ProcessView]:
    """List the processes of a run: ranks in their order, met or not, then the others by node and start."""
    streams: dict[tuple[str, str], list[Stream]] = defaultdict(list)
    for stream in state.streams.values():
        if stream.role in OUTPUT_ROLES:
            streams[stream.node, stream.process].append(stream)
    views = [_view(state, process, streams[process.node, process.key]) for process in state.processes]
    life = state.processes.lives.last.number
    views += [
        ProcessView(one.name, "rank", one.rank, ProcessState.NOT_STARTED, one.attempt, life)
        for one in state.processes.absent
    ]
    return sorted(
        views, key=lambda one: (one.rank is None, one.rank or 0, one.attempt, one.node, one.started_ns or 0, one.key)
    )


def current(views: Sequence[ProcessView]) -> list[ProcessView]:
    """Leave out launchers, and what a restart of the job has replaced."""
    return [view for view in views if view.is_current and view.role != "launcher"]


def _view(state: RunState, process: Process, streams: list[Stream]) -> ProcessView:
    node = state.node(process.node)
    end = process.exit or {}
    started, ended = number(process.record, "start_ns"), number(end, "end_ns")
    return ProcessView(
        name=process.name,
        role=str(process.record.get("role") or "rank"),
        rank=None if process.is_launcher else process.rank,
        state=_state(state, process),
        attempt=process.attempt,
        life=process.life,
        is_current=state.processes.is_current(process),
        local_rank=number(process.record, "local_rank"),
        node=process.node,
        ip=node.ip,
        hostname=str(process.record.get("hostname") or node.hostname),
        pid=process.pid or None,
        program=_program(process),
        key=process.key,
        exit_code=number(end, "exit_code"),
        signal=process.signal,
        was_oom_killed=end.get("oom_killed") is True,
        started_ns=process.started_ns if started is None else node.clock.correct(started),
        ended_ns=process.ended_ns if ended is None else node.clock.correct(ended),
        bytes=sum(stream.size for stream in streams),
        last_output_ns=max((stream.timeline.last(node.clock) or 0 for stream in streams), default=0) or None,
        log=min((stream.path for stream in streams), default=""),
    )


def _state(state: RunState, process: Process) -> ProcessState:
    outcome = state.processes.outcome(process)
    if outcome is not None:
        return ProcessState(outcome.value)
    if process.lost:
        return ProcessState.LOST
    return ProcessState(Outcome.TERMINATED.value) if state.has_ended else ProcessState.RUNNING


def _program(process: Process) -> str:
    argv = process.record.get("argv")
    return os.path.basename(argv[0]) if isinstance(argv, list) and argv and isinstance(argv[0], str) else ""


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"SIG{number}"
