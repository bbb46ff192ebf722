"""What has changed in a run between two looks at it, in words for those who watch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ranklog_collector.core.event_files import is_event_file
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.processes import ProcessView, processes
from ranklog_collector.reading.runs import INTERRUPTED
from ranklog_collector.reading.state import RunState, Stream
from ranklog_collector.views.shapes import Json

KINDS = ("run", "processes", "files", "metrics", "logs")
NAMED_MAX = 100
_METRICS = "metrics"

Change = dict[str, frozenset[str]]
"""The names of what has changed, by kind; the kind `run` has none."""


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    rewrites: int
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Look:
    """A run as it is at a moment."""

    position: int
    """In the journal."""
    run: Json
    has_ended: bool
    revision: int
    processes: Mapping[str, ProcessView]
    files: Mapping[int, _File]


def look(folder: RunFolder, before: Look | None = None) -> Look:
    """Look at a run; what has not changed since the look before is taken from there."""
    state, is_written = folder.state, folder.is_written
    if before is not None and before.revision == state.revision:
        seen = before.processes
    else:
        seen = {f"{one.node}/{one.key or one.name}": one for one in processes(state)}
    return Look(
        position=folder.position,
        run={
            "run_id": folder.run_id,
            "state": state.state if state.has_ended or is_written else INTERRUPTED,
            "is_live": is_written and not state.has_ended,
        },
        has_ended=state.has_ended,
        revision=state.revision,
        processes=seen,
        files={number: _file(state, stream) for number, stream in state.streams.items()},
    )


def difference(folder: RunFolder, before: Look, after: Look) -> Change:
    """Tell what has changed from one look at a run to the next one."""
    # It loads what reads points, which nobody may ever ask for.
    from ranklog_collector.series.printed_news import PrintedNews

    found: dict[str, set[str]] = {}
    printed = PrintedNews(folder)
    if before.run != after.run:
        found["run"] = set()
    for key, view in after.processes.items():
        former = before.processes.get(key)
        if former is None or (former.state, former.exit, former.name) != (view.state, view.exit, view.name):
            found.setdefault("processes", set()).add(view.name)
    for number, file in after.files.items():
        former_file = before.files.get(number)
        if former_file == file or (stream := folder.state.streams.get(number)) is None:
            continue
        if former_file is None or (former_file.path, former_file.is_closed) != (file.path, file.is_closed):
            found.setdefault("files", set()).add(file.path)
        if former_file is None or (former_file.size, former_file.rewrites) != (file.size, file.rewrites):
            if stream.role == _METRICS or is_event_file(stream.path):
                found.setdefault("metrics", set()).add(_writer(folder.state, stream))
                continue
            found.setdefault("logs", set()).add(file.path)
            if printed.are_in(number, former_file.size if former_file else 0, file.size):
                found.setdefault("metrics", set()).add(_writer(folder.state, stream))
    return {kind: frozenset(names) for kind, names in found.items()}


def merged(changes: list[Change]) -> Change:
    """Several changes as one."""
    return {
        kind: frozenset().union(*(change.get(kind, ()) for change in changes))
        for kind in KINDS
        if any(kind in change for change in changes)
    }


def data(kind: str, names: frozenset[str] | None, seen: Look) -> Json:
    """What is told of a change; without names it is not known what exactly has changed."""
    if kind == "run":
        return seen.run
    what = "paths" if kind in ("files", "logs") else "processes"
    some = sorted(names or ())
    return {what: some[:NAMED_MAX], "is_all": names is not None and len(some) <= NAMED_MAX}


def _file(state: RunState, stream: Stream) -> _File:
    is_closed = bool(stream.segments) and state.segments[stream.segments[-1]].closed is not None
    return _File(stream.path, stream.size, stream.rewrites, is_closed)


def _writer(state: RunState, stream: Stream) -> str:
    """Whose points these are: a process's name, or a node's id."""
    process = state.processes.get(stream.node, stream.process)
    return process.name if process is not None else stream.process or stream.node
