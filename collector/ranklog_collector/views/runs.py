"""Runs: a row of each in a list, and one with all that is known of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from ranklog_collector.core.process_files import iso
from ranklog_collector.reading.folder import NotThereError, RunFolder
from ranklog_collector.reading.runs import RunEntry, RunOverview, overview, overview_of
from ranklog_collector.views import cursors
from ranklog_collector.views.shapes import Json

LIMIT = 100


def run_row(one: RunOverview) -> Json:
    """One run in a list."""
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
        "display_name": None,
        "tags": {},
    }


def run_page(
    entries: Sequence[RunEntry],
    experiment: str | None = None,
    states: Collection[str] = (),
    limit: int = LIMIT,
    cursor: str | None = None,
) -> Json:
    """The newest of these runs, oldest first as they are given: `runs`, and the `cursor` of those before them."""
    rows: list[Json] = []
    last: RunEntry | None = None
    for entry, row in _newest_first(entries, experiment, states, cursor):
        if len(rows) == limit:
            assert last is not None
            return {"runs": rows, "cursor": cursors.of_list(last.started_ns, last.run_id)}
        rows.append(row)
        last = entry
    return {"runs": rows, "cursor": None}


def run_view(folder: RunFolder, child: str = "") -> Json:
    """One run, or one of its child runs."""
    row = run_row(overview_of(folder))
    if child:
        raise NotThereError(f"run {folder.run_id} has no child run {child}")
    return {
        **row,
        "description": None,
        "properties": {},
        "params": {},
        "children": [],
        "error": None,
        "is_live": folder.is_written and not folder.state.has_ended,
    }


def _newest_first(
    entries: Iterable[RunEntry], experiment: str | None, states: Collection[str], cursor: str | None
) -> Iterator[tuple[RunEntry, Json]]:
    before = None if cursor is None else cursors.of(cursor)
    for entry in reversed(list(entries)):
        if experiment is not None and entry.experiment != experiment:
            continue
        if before is not None and (entry.started_ns, entry.run_id) >= before:
            continue
        one = overview(entry)
        if not states or one.state in states:
            yield entry, run_row(one)
