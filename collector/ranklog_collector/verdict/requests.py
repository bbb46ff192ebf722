"""When `ranklog run` asked the job to end, and the line in the account of the run that says so."""

from __future__ import annotations

import os

from ranklog_collector.core import journal
from ranklog_collector.core.layout import EXECUTION
from ranklog_collector.core.narration import ASKED
from ranklog_collector.core.verdict.evidence import Request
from ranklog_collector.core.verdict.finding import Category, Quote
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.inside import open_inside

BYTES_MAX = 4 << 20
"""Of the account no more is looked through."""


def requests(folder: RunFolder) -> tuple[Request, ...]:
    """Tell of each."""
    asked = folder.state.processes.asked
    lines = _lines(folder) if asked else []
    return tuple(
        Request(
            Category.TIME_LIMIT if one.why == journal.TIME_LIMIT else Category.CANCELED,
            one.by,
            one.time,
            tuple(Quote(text, EXECUTION, offset, one.time) for text, offset in lines[place : place + 1]),
        )
        for place, one in enumerate(asked)
    )


def _lines(folder: RunFolder) -> list[tuple[str, int]]:
    """The lines that tell of requests, each with its offset, in order."""
    try:
        file = open_inside(folder.path, EXECUTION)
    except OSError:
        return []
    try:
        data = os.pread(file, BYTES_MAX, 0)
    finally:
        os.close(file)
    found, offset = [], 0
    for line in data.splitlines(keepends=True):
        if ASKED.encode() in line:
            found.append((line.decode(errors="replace").rstrip("\n"), offset))
        offset += len(line)
    return found
