"""From a run folder to evidence to a verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ranklog_collector.core.processes import Process, number
from ranklog_collector.core.verdict.evidence import Evidence, Machine, Member, Moment, Step
from ranklog_collector.core.verdict.finding import Verdict
from ranklog_collector.core.verdict.first import SILENCE_NS
from ranklog_collector.core.verdict.judge import judge as judge_evidence
from ranklog_collector.core.verdict.signatures import Catalogue, Role
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.notes import notes, some
from ranklog_collector.reading.processes import OUTPUT_ROLES, ProcessView, processes
from ranklog_collector.reading.state import Node, Stream
from ranklog_collector.verdict.catalogue import catalogue_of
from ranklog_collector.verdict.requests import requests
from ranklog_collector.verdict.steps import logged_step
from ranklog_collector.verdict.suspicions import suspicions
from ranklog_collector.verdict.words import DEEP_BYTES, TAIL_BYTES, Words, spoke, words_of

EXIT_NS = 20_000_000
"""`exec` notices an end at most so late, unless the machine is very busy."""
VANISHED_NS = 2_000_000_000
"""So late an agent notices that a process is not there any more."""
UNMEASURED_NS = 1_000_000_000
"""What the clocks of several nodes may be apart if nobody has measured them."""
RESOURCES = ".resources.jsonl"
"""How files of what the agent observed end."""
_LAUNCHER_PARTS = frozenset(("launcher_stdout", "launcher_stderr"))


def judge(folder: RunFolder, run: str = "", signatures: str | None = None) -> Verdict:
    """Tell why a run is as it is; `run` is what to type for it, `signatures` a file with more of these.

    Raises ReadingError if signatures are none.
    """
    return judge_evidence(gather(folder, run, signatures))


def gather(folder: RunFolder, run: str = "", signatures: str | None = None) -> Evidence:
    """Read what may prove something. Raises ReadingError if signatures are none."""
    catalogue = catalogue_of(folder, signatures)
    state = folder.state
    streams = _streams(folder)
    members: list[Member] = []
    launchers: list[Member] = []
    unread: list[str] = []
    for view in processes(state):
        member = _member(folder, view, streams[view.node, view.key] if view.key else _Streams(), catalogue, unread)
        (launchers if member.is_launcher else members).append(member)
    return Evidence(
        run or folder.run_id,
        tuple(members),
        tuple(launchers),
        tuple(_machine(folder, node) for node in state.nodes.values()),
        state.state,
        folder.is_written and not state.has_ended,
        folder.now_ns(),
        state.processes.world_size,
        requests(folder),
        suspicions(folder),
        remarks=(*notes(folder), *some(unread)),
    )


@dataclass(slots=True)
class _Streams:
    """Of one process."""

    output: list[Stream] = field(default_factory=list)
    """Each byte once: a launcher's log has what its stdout and stderr have."""
    points: Stream | None = None
    """What it logs."""


def _streams(folder: RunFolder) -> dict[tuple[str, str], _Streams]:
    found: dict[tuple[str, str], _Streams] = defaultdict(_Streams)
    for stream in folder.state.streams.values():
        if stream.role in OUTPUT_ROLES and stream.size:
            found[stream.node, stream.process].output.append(stream)
        elif stream.role == "metrics" and not stream.path.endswith(RESOURCES):
            found[stream.node, stream.process].points = stream
    for streams in found.values():
        if any(stream.role == "launcher_log" for stream in streams.output):
            streams.output = [stream for stream in streams.output if stream.role not in _LAUNCHER_PARTS]
    return found


def _member(folder: RunFolder, view: ProcessView, streams: _Streams, catalogue: Catalogue, unread: list[str]) -> Member:
    """Tell of a process, and add to `unread` what of its output cannot be read."""
    process = folder.state.processes.get(view.node, view.key)
    words = [words_of(folder, stream, view.name, catalogue) for stream in streams.output]
    if _needs_more(view, words):
        words = [words_of(folder, stream, view.name, catalogue, DEEP_BYTES) for stream in streams.output]
    unread += [one.problem for one in words if one.problem]
    signs = sorted((sign for one in words for sign in one.signs), key=lambda sign: sign.moment.latest_ns)
    last = sorted((one.last for one in words if one.last is not None), key=lambda quote: quote.time_ns or 0)
    member = Member(
        view.name,
        role=view.role,
        rank=view.rank,
        node=view.node,
        ip=view.ip,
        hostname=view.hostname,
        pid=view.pid,
        state=view.state.value,
        exit=view.exit,
        exit_code=view.exit_code,
        signal=view.signal,
        was_oom_killed=view.was_oom_killed,
        started_ns=view.started_ns,
        ended_ns=view.ended_ns,
        last_output_ns=view.last_output_ns,
        spoke=spoke(words),
        signs=tuple(signs),
        last_words=tuple(last[-1:]),
        step=_step(folder, view, streams.points, words),
    )
    return member if process is None else _with_record(folder, member, process)


def _with_record(folder: RunFolder, member: Member, process: Process) -> Member:
    """Add what only the records tell."""
    error = _clock_error(folder, folder.state.node(process.node))
    lag = VANISHED_NS if process.vanished else EXIT_NS
    ended, is_asked = member.ended_ns, process.asked_ns is not None
    asked_ns = number(process.exit or {}, "asked_ns") if is_asked else None
    asked = None if asked_ns is None else folder.state.node(process.node).clock.correct(asked_ns)
    return replace(
        member,
        life=process.life,
        ended=None
        if ended is None
        else Moment(_since(member, ended - lag, process.vanished), ended, error, process.node),
        exec_pid=number(process.record, "exec_pid"),
        was_struck=process.is_struck,
        was_exec_killed=process.was_exec_killed,
        asked_signal=number(process.exit or {}, "asked_signal") if is_asked else None,
        asked=None if asked is None else Moment(asked - EXIT_NS, asked, error, process.node),
        lost_bytes=number(process.exit or {}, "lost_bytes") or 0,
    )


def _since(member: Member, earliest_ns: int, has_vanished: bool) -> int:
    """Nobody knows since when a process was gone that was not seen to end; it was there when it said something."""
    return min(earliest_ns, member.last_output_ns or member.started_ns or earliest_ns) if has_vanished else earliest_ns


def _step(folder: RunFolder, view: ProcessView, points: Stream | None, words: Sequence[Words]) -> Step | None:
    """How far it came; what it logged is of no use if it has come to its end."""
    logged = None if points is None or view.exit_code == 0 else logged_step(folder, points)
    printed = [one.step for one in words if one.step is not None]
    return logged or max(printed, key=lambda step: step.progress, default=None)


def _needs_more(view: ProcessView, words: Sequence[Words]) -> bool:
    """Whether a process ended badly, and its last words do not tell why."""
    if view.ended_ns is None or view.signal is not None or view.exit_code in (0, None):
        return False
    told = any(sign.role in (Role.ROOT, Role.CONSEQUENCE) for one in words for sign in one.signs)
    return not told and any(one.stream.size > TAIL_BYTES for one in words)


def _machine(folder: RunFolder, node: Node) -> Machine:
    clock_error = _clock_error(folder, node)
    last = [stream.timeline.last(node.clock) or 0 for stream in folder.state.streams.values() if stream.node == node.id]
    heard = max([*last, node.heard or node.time - SILENCE_NS]) if node.event == "lost" else None
    return Machine(node.id, node.ip, node.hostname, node.event, node.time, heard, clock_error)


def _clock_error(folder: RunFolder, node: Node) -> int:
    if node.clock.measurements:
        return node.clock.error_ns
    return UNMEASURED_NS if len(folder.state.nodes) > 1 else 0
