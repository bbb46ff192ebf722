"""A run folder as frames, one after another: only what has changed is read again."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.notes import notes
from ranklog_collector.reading.processes import OUTPUT_ROLES, ProcessState, ProcessView, current, processes
from ranklog_collector.reading.runs import INTERRUPTED
from ranklog_collector.reading.state import Stream
from ranklog_collector.top.frame import NOTHING, Frame, Row, Use
from ranklog_collector.top.pace import marked, middle_step
from ranklog_collector.top.steps import Step
from ranklog_collector.top.tails import Spoken, Tails

UNSEEN_S = 0.02
"""So much time a look has for the ends of files that nobody sees: of these come the steps to compare."""
RATE_NS = 5_000_000_000
"""Rates are of so long a time."""
_LAUNCHER = "launcher"


@dataclass(slots=True)
class _Files:
    """Of one process."""

    outputs: list[Stream] = field(default_factory=list)
    points: Stream | None = None
    resources: Stream | None = None


@dataclass(frozen=True, slots=True)
class _Past:
    """What rates are measured by."""

    now_ns: int
    bytes: int
    step: tuple[str, float] | None


class Gatherer:
    """Makes frames of one run folder. For one thread."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._tails = Tails(folder)
        self._state: object = None
        self._revision = self._position = -1
        self._files: dict[tuple[str, str], _Files] = {}
        self._views: list[ProcessView] = []
        self._past: deque[_Past] = deque()
        self._unseen_turn = 0

    def look(self, seen: Collection[str] = (), unseen_s: float = UNSEEN_S) -> Frame:
        """Look at the run as far as its folder's state has come; `seen` names the processes that are on the screen."""
        self._take_in()
        folder, state = self._folder, self._folder.state
        now_ns = folder.now_ns()
        rows = self._rows(frozenset(seen), unseen_s)
        size = sum(stream.size for stream in state.streams.values())
        past = self._remember(_Past(now_ns, size, middle_step(rows)))
        span_s = (now_ns - past.now_ns) / 1e9
        is_written = folder.is_written
        is_live = is_written and not state.has_ended
        return Frame(
            run_id=folder.run_id,
            experiment=folder.experiment,
            path=folder.path,
            state=state.state if state.has_ended or is_written else INTERRUPTED,
            has_ended=state.has_ended,
            is_written=is_written,
            started_ns=folder.started_ns,
            now_ns=now_ns,
            rows=marked(rows, self._steps_per_s(past, rows, span_s)) if is_live else rows,
            nodes=sum(bool(node.event) for node in state.nodes.values()),
            starts=max((view.life for view in self._views), default=0) + 1,
            bytes=size,
            bytes_per_s=(size - past.bytes) / span_s if is_live and span_s > 0 else None,
            lost_nodes=tuple(node.id for node in state.nodes.values() if node.event == "lost"),
            alarms=tuple(notes(folder)),
        )

    def _take_in(self) -> None:
        state = self._folder.state
        if state is not self._state:
            self._tails.forget()
            self._state, self._revision, self._position = state, -1, -1
        if state.revision != self._revision:
            self._revision = state.revision
            self._files = _files(state.streams.values())
        if self._folder.position == self._position:
            return
        self._position = self._folder.position
        views = processes(state)
        launchers = [view for view in views if view.role == _LAUNCHER and view.is_current]
        self._views = [*current(views), *launchers]

    def _remember(self, present: _Past) -> _Past:
        """Keep what rates are measured by; returns the past with which the present is compared."""
        past = self._past
        past.append(present)
        while len(past) > 1 and present.now_ns - past[1].now_ns >= RATE_NS:
            past.popleft()
        return past[0]

    @staticmethod
    def _steps_per_s(past: _Past, rows: list[Row], span_s: float) -> float:
        present = middle_step(rows)
        if past.step is None or present is None or past.step[0] != present[0] or span_s <= 0:
            return 0.0
        return max(0.0, present[1] - past.step[1]) / span_s

    # ---- rows -------------------------------------------------------------------------------------------------------

    def _rows(self, seen: Collection[str], unseen_s: float) -> list[Row]:
        wanted = self._wanted(seen, unseen_s)
        gpus = self._gpus()
        return [self._row(view, view.name in wanted, gpus) for view in self._views]

    def _wanted(self, seen: Collection[str], unseen_s: float) -> set[str]:
        """Read the ends of files that nobody sees, in turn, as far as there is time; those that are seen are wanted."""
        until = time.thread_time() + unseen_s
        count = len(self._views)
        for _ in range(count):
            if time.thread_time() >= until:
                break
            view = self._views[self._unseen_turn % count]
            self._unseen_turn += 1
            if view.name not in seen:
                self._spoken(view, True)
                self._step(view, True)
        return set(seen)

    def _row(self, view: ProcessView, is_wanted: bool, gpus: dict[str, dict[int, float]]) -> Row:
        spoken = self._spoken(view, is_wanted)
        step = self._step(view, is_wanted) or (spoken.step if spoken else None)
        latest = self._latest_output(view)
        return Row(
            name=view.name,
            rank=view.rank,
            state=view.state,
            attempt=view.attempt,
            is_launcher=view.role == _LAUNCHER,
            program=view.program,
            key=view.key,
            node=view.node,
            ip=view.ip,
            hostname=view.hostname,
            pid=view.pid,
            exit=view.exit,
            started_ns=view.started_ns,
            ended_ns=view.ended_ns,
            bytes=view.bytes,
            last_output_ns=view.last_output_ns,
            line=spoken.line if spoken else None if latest is not None and latest.size else "",
            step=step,
            is_step_current=latest is not None and self._tails.is_current(latest),
            use=self._use(view, gpus),
        )

    def _spoken(self, view: ProcessView, is_wanted: bool) -> Spoken | None:
        latest = self._latest_output(view)
        return None if latest is None else self._tails.spoken(latest, is_wanted)

    def _step(self, view: ProcessView, is_wanted: bool) -> Step | None:
        files = self._files.get((view.node, view.key))
        return None if files is None or files.points is None else self._tails.step(files.points, is_wanted)

    def _use(self, view: ProcessView, gpus: dict[str, dict[int, float]]) -> Use:
        files = self._files.get((view.node, view.key))
        if files is None or files.resources is None or view.state is not ProcessState.RUNNING:
            return NOTHING
        use = self._tails.use(files.resources)
        gpu = gpus.get(view.node, {}).get(view.local_rank or 0)
        return use if gpu is None else replace(use, gpu=gpu)

    def _latest_output(self, view: ProcessView) -> Stream | None:
        files = self._files.get((view.node, view.key))
        if files is None or not files.outputs:
            return None
        clock = self._folder.state.node(view.node).clock
        return max(files.outputs, key=lambda stream: stream.timeline.last(clock) or 0)

    def _gpus(self) -> dict[str, dict[int, float]]:
        """How busy each node's GPUs are."""
        found = {}
        for (node, process), files in self._files.items():
            if not process and files.resources is not None:
                found[node] = self._tails.gpus(files.resources)
        return found


def _files(streams: Collection[Stream]) -> dict[tuple[str, str], _Files]:
    found: dict[tuple[str, str], _Files] = defaultdict(_Files)
    for stream in streams:
        files = found[stream.node, stream.process]
        if stream.role in OUTPUT_ROLES:
            files.outputs.append(stream)
        elif stream.role == "metrics" and stream.name == "resources":
            files.resources = stream
        elif stream.role == "metrics":
            files.points = stream
    return dict(found)
