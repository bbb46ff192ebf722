"""Finding run folders: all of them below a root, or the one that a user means."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson

from ranklog_collector.core import journal
from ranklog_collector.core.layout import JOURNAL, RUN
from ranklog_collector.core.presence import FINAL, NOT_STARTED
from ranklog_collector.reading.folder import AmbiguousError, NotThereError, ReadingError, RunFolder, is_written
from ranklog_collector.reading.inside import open_inside
from ranklog_collector.reading.processes import ProcessState, processes
from ranklog_collector.reading.times import parse_iso

DEFAULT_ROOT = "ranklog-runs"
INTERRUPTED = "interrupted"
"""The state of a run that has not ended and that no collector writes."""
_HEAD_BYTES = 4096
_SUMMARY_BYTES_MAX = 64 << 20
_NAMED_MAX = 8
_CHILD = re.compile(r"(.+?)((?:\.[0-9a-f]{8})+)")


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run folder that was found, as far as its first journal line tells."""

    run_id: str
    experiment: str
    path: str
    started_ns: int
    is_owned: bool = True
    """Whether it is, or was, in the care of a collector."""


@dataclass(frozen=True, slots=True)
class RunOverview:
    """A run in one row."""

    run_id: str
    experiment: str
    path: str
    started_ns: int
    ended_ns: int | None
    state: str
    """As the journal has it; `interrupted` if it has not ended and no collector writes it."""
    nodes: int
    processes: int
    failed: int


def root_folder(option: str | None) -> str:
    """Where the run folders are: what was asked for, else $RANKLOG_ROOT, else ./ranklog-runs."""
    return option or os.environ.get("RANKLOG_ROOT") or DEFAULT_ROOT


def find_runs(root: str, known: MutableMapping[str, RunEntry] | None = None) -> list[RunEntry]:
    """List the runs below a root (`<root>/<experiment>/<run>`), oldest first.

    Who lists them again and again passes the same `known`, by path, and only new ones are looked into. Raises
    ReadingError if the root is no folder.
    """
    try:
        with os.scandir(root) as entries:
            experiments = sorted(entry.path for entry in entries if entry.is_dir())
    except OSError as error:
        raise ReadingError(
            f"{root} cannot be read ({error.strerror}); name the folder of runs with --root or RANKLOG_ROOT"
        ) from error
    known = {} if known is None else known
    found: dict[str, RunEntry] = {}
    for experiment in experiments:
        with suppress(OSError), os.scandir(experiment) as folders:
            for folder in folders:
                run = known.get(folder.path) or (_entry(folder.path) if folder.is_dir() else None)
                if run is not None:
                    found[folder.path] = run
    known.clear()
    # A journal whose first line has not come yet is looked at again.
    known.update({path: run for path, run in found.items() if run.started_ns})
    return sorted(found.values(), key=lambda run: (run.started_ns, run.run_id))


def open_run(name: str, root: str, latest_marks: bool = False) -> RunFolder:
    """Open the run that is meant by a folder's path, or by a name as `find_run` takes it; of a child run its parent.

    See RunFolder for `latest_marks`. Raises ReadingError, which lists what there is.
    """
    return open_child(name, root, latest_marks)[0]


def open_child(name: str, root: str, latest_marks: bool = False) -> tuple[RunFolder, str]:
    """Open a run as `open_run` does, and tell the id of the child run that is meant, or ""."""
    if _is_path(name) and os.path.isdir(name):
        return RunFolder(name, latest_marks), ""
    entry, child = find_run(name, find_runs(root), root)
    return RunFolder(entry.path, latest_marks), child


def _is_path(name: str) -> bool:
    return os.sep in name or name in (os.curdir, os.pardir) or os.path.isfile(os.path.join(name, JOURNAL))


def find_run(name: str, runs: list[RunEntry], root: str) -> tuple[RunEntry, str]:
    """Tell which of the runs, oldest first, is meant by an id, `experiment/id`, a unique prefix of either, or `latest`.

    A child run, `<id of its parent>.<eight hex digits>` and perhaps more of these, is in its parent's folder: returned
    is the parent, and the child's id or "". Raises NotThereError, AmbiguousError; the message lists what there is.
    """
    try:
        return _find(name, runs, root), ""
    except NotThereError:
        child = _CHILD.fullmatch(name)
        if child is None:
            raise
        parent = _find(child[1], runs, root)
        return parent, parent.run_id + child[2]


def _find(name: str, runs: list[RunEntry], root: str) -> RunEntry:
    if not runs:
        raise NotThereError(f"there are no runs in {root}; name the folder of runs with --root or RANKLOG_ROOT")
    if name == "latest":
        return runs[-1]
    named = [run for run in runs if name in (run.run_id, f"{run.experiment}/{run.run_id}")]
    meant = named or [
        run for run in runs if run.run_id.startswith(name) or f"{run.experiment}/{run.run_id}".startswith(name)
    ]
    if len(meant) == 1:
        return meant[0]
    if meant:
        names = [f"{run.experiment}/{run.run_id}" if named else run.run_id for run in meant]
        raise AmbiguousError(f"{name!r} may be {_listed(names)}; say which")
    raise NotThereError(f"there is no run {name!r} in {root}; there is {_listed([run.run_id for run in runs])}")


def overview(run: RunEntry) -> RunOverview:
    """Tell of a run what its run.json tells, or its journal where that is missing or damaged.

    Raises ReadingError if neither can be read.
    """
    try:
        file = open_inside(run.path, RUN)
        try:
            loaded = orjson.loads(os.pread(file, _SUMMARY_BYTES_MAX, 0))
        finally:
            os.close(file)
        processes, end = loaded["processes"], loaded["end_time"]
        started_ns = run.started_ns or parse_iso(loaded["start_time"])
        return _overview(
            replace(run, started_ns=started_ns),
            state=str(loaded["state"] or NOT_STARTED),
            ended_ns=parse_iso(end) if end else None,
            nodes=len(loaded["nodes"]),
            processes=max(int(processes["seen"]), int(processes["world_size"] or 0)),
            failed=int(processes["failed"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return overview_of(RunFolder(run.path, latest_marks=True))


def overview_of(folder: RunFolder) -> RunOverview:
    """Tell of a run what its journal tells."""
    state = folder.state
    views = [view for view in processes(state) if view.role != "launcher"]
    return _overview(
        RunEntry(folder.run_id, folder.experiment, folder.path, folder.started_ns, folder.is_owned),
        state=state.state,
        ended_ns=state.state_time if state.has_ended else None,
        nodes=len(state.nodes),
        processes=len(views),
        failed=sum(view.state is ProcessState.FAILED for view in views),
    )


def _overview(run: RunEntry, state: str, ended_ns: int | None, nodes: int, processes: int, failed: int) -> RunOverview:
    if state not in FINAL and run.is_owned and not is_written(run.path):
        state = INTERRUPTED
    return RunOverview(run.run_id, run.experiment, run.path, run.started_ns, ended_ns, state, nodes, processes, failed)


def _entry(path: str) -> RunEntry | None:
    try:
        file = open_inside(path, JOURNAL)
    except OSError:
        return None
    try:
        head = os.pread(file, _HEAD_BYTES, 0)
    finally:
        os.close(file)
    first = journal.parse(head.partition(b"\n")[0])
    if isinstance(first, journal.Run):
        return RunEntry(first.run_id, first.experiment, path, first.time, first.origin != journal.API)
    return RunEntry(os.path.basename(path), os.path.basename(os.path.dirname(path)), path, 0)


def _listed(names: list[str]) -> str:
    """Name the latest few."""
    more = f" and {len(names) - _NAMED_MAX} more (ranklog runs lists all)" if len(names) > _NAMED_MAX else ""
    return ", ".join(reversed(names[-_NAMED_MAX:])) + more
