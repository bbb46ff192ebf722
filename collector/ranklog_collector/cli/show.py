"""How runs, processes and verifications look to people."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from ranklog_collector.cli.output import Column, print_table, say
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.processes import ProcessState, ProcessView, current
from ranklog_collector.reading.runs import RunOverview
from ranklog_collector.reading.times import bytes_text, clock_time, duration_text
from ranklog_collector.reading.verify import Report, SegmentCheck

_CHECKS_MAX = 50
"""Of more segments only those with a problem are listed."""


def run_row(run: RunOverview) -> list[str]:
    """One run of `ranklog runs`."""
    return [
        run.run_id,
        run.experiment,
        run.state,
        clock_time(run.started_ns)[:-4],
        "" if run.ended_ns is None else duration_text(run.ended_ns - run.started_ns),
        str(run.nodes),
        str(run.processes),
        str(run.failed or ""),
    ]


def process_row(view: ProcessView, now_ns: int) -> list[str]:
    """One process of `ranklog ps`."""
    return [
        view.name,
        "" if view.rank is None else str(view.rank),
        view.node,
        view.ip,
        "" if view.pid is None else str(view.pid),
        view.state.value,
        view.exit,
        "" if view.started_ns is None else clock_time(view.started_ns)[:-4],
        "" if view.started_ns is None else duration_text((view.ended_ns or now_ns) - view.started_ns),
        bytes_text(view.bytes),
        "" if view.last_output_ns is None else duration_text(now_ns - view.last_output_ns) + " ago",
    ]


def summary(folder: RunFolder, views: list[ProcessView], now_ns: int) -> str:
    """A run in one line."""
    state = folder.state.state
    if not folder.state.has_ended and not folder.is_written:
        state = "interrupted"
    own = current(views)
    counts = Counter(view.state for view in own)
    parts = [f"{count} {_words(kind)}" for kind in ProcessState if (count := counts[kind])]
    nodes, starts = len(folder.state.nodes), max((view.life for view in own), default=0) + 1
    return (
        f"{folder.experiment}/{folder.run_id} {state} after {duration_text(now_ns - folder.started_ns)}; "
        f"{nodes} node{'s' if nodes != 1 else ''}, {counts.total()} process{'es' if counts.total() != 1 else ''}"
        f"{': ' if parts else ''}{', '.join(parts)}{f', started {starts} times' if starts > 1 else ''}; "
        f"{bytes_text(sum(view.bytes for view in views))}"
    )


def print_report(report: Report, with_sources: bool) -> None:
    """Print what `ranklog verify` found."""
    columns = [Column("BYTES", is_right=True), Column("SEGMENT", 2), Column("CHECK"), Column("FILE")]
    if with_sources:
        columns.append(Column("SOURCE", 1))
    different = [check for check in report.checks if check.problem is not None]
    shown = report.checks if len(report.checks) <= _CHECKS_MAX else different
    if shown:
        print_table(columns, [_check_row(check, with_sources) for check in shown])
    for check in different:
        say(f"problem: {check.path}: {check.problem}")
    for problem in report.problems:
        say(f"problem: {problem}")
    for note in report.notes:
        say(f"note: {note}")
    verdict = "every byte is as it was sent"
    if different:
        verdict = f"{len(different)} not as they were sent"
    elif report.problems:
        verdict = "what is there is as it was sent, but something is missing, or damaged"
    files = len({check.path for check in report.checks})
    say(f"{report.run_id}: {files} files, {len(report.checks)} segments, {bytes_text(report.bytes)}: {verdict}")


def report_json(report: Report) -> dict[str, Any]:
    """What `ranklog verify --json` prints."""
    return {
        "run": report.run_id,
        "intact": report.is_intact,
        "bytes": report.bytes,
        "segments": [asdict(check) for check in report.checks],
        "problems": report.problems,
        "notes": report.notes,
    }


def _check_row(check: SegmentCheck, with_sources: bool) -> list[str]:
    row = [str(check.size), check.segment, "differs" if check.problem else "ok", check.path]
    if with_sources:
        row.append("" if check.source is None else check.source.state.value)
    return row


def _words(state: ProcessState) -> str:
    return "not started" if state is ProcessState.NOT_STARTED else state.value.lower()
