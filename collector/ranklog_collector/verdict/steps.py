"""How far a process has come: the latest step that it has logged, else printed."""

from __future__ import annotations

import os
import re

from ranklog_collector.core.printed_steps import printed
from ranklog_collector.core.verdict.evidence import Step
from ranklog_collector.core.verdict.scan import plain
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.state import Stream

LOGGED_BYTES = 16 << 10
LINES_MAX = 40
_KIND_MAX = 200
_LOGGED = re.compile(rb'"s":(\d{1,18})[,}]')
_NUMBER = re.compile(r"[-+]?\d[\d.,eE+-]*|\b(?:nan|inf)\b")
_BAR = "%|"


def printed_step(data: bytes) -> Step | None:
    """The latest step that was printed in these lines; its kind is the line without its numbers."""
    for line in reversed(data.split(b"\n")[-LINES_MAX:]):
        text = plain(line).decode(errors="replace")
        found = printed(text)
        number = found.bar if found.step is None else found.step
        if number is not None or found.epoch is not None:
            # What a bar looks like changes with every step.
            kind = _NUMBER.sub("#", text if found.bar is None else text.partition(_BAR)[0])
            return Step(kind[:_KIND_MAX], found.epoch, number)
    return None


def logged_step(folder: RunFolder, stream: Stream) -> Step | None:
    """The highest step in the last points of a stream of these."""
    try:
        with folder.opened(stream) as file:
            start = max(0, stream.size - LOGGED_BYTES)
            data = os.pread(file, stream.size - start, start)
    except OSError:
        return None
    steps = [int(found[1]) for found in _LOGGED.finditer(data)]
    return Step("logged", None, max(steps)) if steps else None
