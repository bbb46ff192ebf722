"""Runs: a row of each in a list, and one with all that is known of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ranklog_collector.core.layout import METRICS
from ranklog_collector.core.process_files import iso
from ranklog_collector.reading.folder import NotThereError, ReadingError, RunFolder
from ranklog_collector.reading.runs import RunEntry, RunOverview, overview, overview_of
from ranklog_collector.views import cursors
from ranklog_collector.views.shapes import Json

if TYPE_CHECKING:
    from ranklog_collector.series.shapes import Child

LIMIT = 100
_RUNNING = "running"

Naming = tuple[str | None, dict[str, str]]
"""What people call a run, and its tags."""


def run_row(one: RunOverview, naming: Naming | None = None) -> Json:
    """One run in a list."""
    display_name, tags = naming or naming_of(one.path)
    return {
        "run_id": one.run_id,
        "experiment": one.experiment,
        "path": one.path,
        "state": one.state,
        "started": iso(one.started_ns),
        "ended": None if one.ended_ns is None else iso(one.ended_ns),
        "nodes": one.nodes,
        "processes": one.processes,
        "failed": one.failed,
        "display_name": display_name,
        "tags": tags,
    }


def naming_of(path: str) -> Naming:
    """Read from a run's points what people call it. Raises ReadingError."""
    if not _has_points(path):
        return None, {}
    said = _said(RunFolder(path, latest_marks=True))
    return said["display_name"], said["tags"]


def run_page(
    entries: Sequence[RunEntry],
    experiment: str | None = None,
    states: Collection[str] = (),
    limit: int = LIMIT,
    cursor: str | None = None,
    name: Callable[[str], Naming] = naming_of,
) -> Json:
    """The newest of these runs, oldest first as they are given: `runs`, and the `cursor` of those before them.

    `name` may remember what `naming_of` says of a path. A run that has been removed since is left out.
    """
    found = list(islice(_newest_first(entries, experiment, states, cursor, name), limit + 1))
    shown = [one for one, _ in found[:limit]]
    return {
        "runs": [run_row(one, naming) for one, naming in found[:limit]],
        "cursor": cursors.of_list(shown[-1].started_ns, shown[-1].run_id) if len(found) > limit else None,
    }


def run_view(folder: RunFolder, child: str = "") -> Json:
    """One run, or one of its child runs. Raises NotThereError."""
    said, is_live = _said(folder, child), folder.is_written and not folder.state.has_ended
    row = run_row(overview_of(folder), (said["display_name"], said["tags"]))
    if child:
        row |= _of_child(folder, child, row["state"])
    children = [
        {"run_id": one.run_id, "display_name": one.name, "state": _state(one, row["state"])}
        for one in said.pop("children")
    ]
    is_live = is_live and row["ended"] is None
    return {**row, **said, "children": children, "is_live": is_live, "asked": folder.state.processes.asked_why}


def _of_child(folder: RunFolder, child: str, state: str) -> Json:
    parent = child.rpartition(".")[0]
    for one in _said(folder, parent)["children"]:
        if one.run_id == child:
            return {
                "run_id": child,
                "state": _state(one, state),
                "started": iso(one.started_ns),
                "ended": None if one.ended_ns is None else iso(one.ended_ns),
            }
    raise NotThereError(f"run {parent} has no child run {child}")


def _state(child: Child, of_run: str) -> str:
    """A child that never said how it ended has ended like the run that it is part of."""
    return of_run if child.state == _RUNNING else child.state


def _said(folder: RunFolder, child: str = "") -> Json:
    """What its points say of a run."""
    if not _has_points(folder.path):
        return {
            "display_name": None,
            "tags": {},
            "description": None,
            "properties": {},
            "params": {},
            "children": [],
            "error": None,
        }
    # It loads what it needs for computing, which takes longer than all that is asked here of other runs.
    from ranklog_collector.series.facts import facts

    said = facts(folder, child)
    return {
        "display_name": said.display_name,
        "tags": said.tags,
        "description": said.description,
        "properties": said.properties,
        "params": said.params,
        "children": said.children,
        "error": said.error,
    }


def _has_points(path: str) -> bool:
    return os.path.isdir(os.path.join(path, METRICS))


def _newest_first(
    entries: Sequence[RunEntry],
    experiment: str | None,
    states: Collection[str],
    cursor: str | None,
    name: Callable[[str], Naming],
) -> Iterator[tuple[RunOverview, Naming]]:
    before = cursors.of(cursor) if cursor else None
    for entry in reversed(entries):
        if experiment is not None and entry.experiment != experiment:
            continue
        if before is not None and (entry.started_ns, entry.run_id) >= before:
            continue
        try:
            one = overview(entry)
            if not states or one.state in states:
                yield one, name(one.path)
        except ReadingError:
            continue
