"""The last words of ranklog run: how each process ended, what failed first, whether all is there, what to do next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator
from signal import Signals

import click

from ranklog_collector.cli.output import Column, print_table
from ranklog_collector.core.presence import FINAL
from ranklog_collector.launch.plan import Capture
from ranklog_collector.launch.prepare import Order
from ranklog_collector.launch.session import Outcome
from ranklog_collector.launch.summary import Row, Summary
from ranklog_collector.reading.runs import root_folder
from ranklog_collector.reading.text import printable
from ranklog_collector.reading.times import bytes_text, duration_text

COLUMNS = [
    Column("RANK"),
    Column("STATE"),
    Column("EXIT"),
    Column("TIME", 1, is_right=True),
    Column("LINES", 2, is_right=True),
    Column("BYTES", is_right=True),
]
KEY_WIDTH = 10
TAIL_LINES = 50


def print_ending(order: Order, outcome: Outcome, summary: Summary) -> None:
    """Print it, on stderr: stdout is the job's."""
    click.echo(err=True)
    print_table(COLUMNS, [_cells(row) for row in summary.rows], err=True)
    click.echo(err=True)
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
    for key, text in _facts(order, outcome, summary):
        _print_fact(key, printable(text), width)


def _cells(row: Row) -> list[str]:
    return [
        row.who,
        row.state,
        row.exit,
        "" if row.duration_ns is None else duration_text(row.duration_ns),
        "" if row.lines is None else f"{row.lines:,}",
        bytes_text(row.bytes),
    ]


def _facts(order: Order, outcome: Outcome, summary: Summary) -> Iterator[tuple[str, str]]:
    code = f", exit code {outcome.exit_code}" if outcome.exit_code else ""
    state = summary.state if summary.state in FINAL else "unfinished"
    if outcome.stopped_by is not None:
        state = f"stopped by {Signals(outcome.stopped_by).name}"
    yield "result", f"{state} after {duration_text(summary.duration_ns)}{code}"
    if summary.failure:
        yield "failure", summary.failure
    yield from (("warning", text) for text in _doubts(order, outcome, summary))
    if summary.is_complete and not _lacks_ranks(outcome, summary):
        yield "complete", f"{summary.verified:,} bytes in {summary.files} files, every checksum agrees"
    for text in summary.losses:
        yield "missing", text
    if summary.leftover:
        yield "missing", f"{summary.leftover:,} bytes of what the job wrote have not been fetched"
    yield from (("note", text) for text in summary.notes)
    if not summary.is_complete:
        yield "collected", f"{summary.bytes:,} bytes, {summary.verified:,} of them confirmed as whole files"
        yield "spool", f"{order.spool} still has what the job wrote"
    yield "folder", relative(outcome.folder)
    yield from zip(("next", ""), _next(order, outcome, summary), strict=True)


def _doubts(order: Order, outcome: Outcome, summary: Summary) -> Iterator[str]:
    if outcome.plan.note:
        yield outcome.plan.note
    elif _lacks_ranks(outcome, summary):
        yield (
            f"no rank was captured: is ranklog installed as {order.ranklog} on every node of the job, "
            "and does `ranklog agent` run on those other than this one?"
        )
    elif summary.absent:
        advice = "" if order.request.count is not None else ": nodes other than this one need a `ranklog agent`"
        yield f"nothing has come of rank {summary.absent}{advice}"


def _lacks_ranks(outcome: Outcome, summary: Summary) -> bool:
    """Whether a launcher was to start ranks under `ranklog exec` and is content, but not one has been seen."""
    plan = outcome.plan
    were_meant = plan.launcher is not None and plan.capture is not Capture.NONE
    return were_meant and not summary.ranks and outcome.exit_code == 0


def _next(order: Order, outcome: Outcome, summary: Summary) -> Iterator[str]:
    is_found = os.path.abspath(root_folder(None)) == order.root
    run = order.run_id if is_found else shlex.quote(relative(outcome.folder))
    rank = "" if summary.failed_rank is None else f" --rank {summary.failed_rank} --tail {TAIL_LINES}"
    logs = f"ranklog logs {run}{rank}"
    yield f"ranklog why {run}" if summary.failure else logs
    if not summary.is_complete:
        yield f"ranklog verify {run}"
    else:
        yield logs if summary.failure else f"ranklog ps {run}"


def _print_fact(key: str, text: str, width: int) -> None:
    indent = " " * KEY_WIDTH
    body = textwrap.fill(
        text,
        width or sys.maxsize,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    click.echo(click.style(key.ljust(KEY_WIDTH), bold=True) + body[KEY_WIDTH:], err=True)


def relative(path: str) -> str:
    """A path as people would write it here."""
    found = os.path.relpath(path)
    return path if found.startswith("..") else found
