"""How far a process has come: the latest step that it has logged, else printed."""

from __future__ import annotations

import os
import re

from ranklog_collector.core.verdict.evidence import Step
from ranklog_collector.core.verdict.scan import plain
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.state import Stream

LOGGED_BYTES = 16 << 10
LINES_MAX = 40
_KIND_MAX = 200
_STEP = re.compile(rb"(?i)\b(?:global[_ ]?step|steps?|iter(?:ation)?|batch)\b[\s:=#\[(]{0,4}(\d{1,12})")
_EPOCH = re.compile(rb"(?i)\bepochs?\b[\s:=#\[(]{0,4}(\d{1,12})")
_LOGGED = re.compile(rb'"s":(\d{1,18})[,}]')
_NUMBER = re.compile(rb"[-+]?\d[\d.,eE+-]*|\b(?:nan|inf)\b")


def printed_step(data: bytes) -> Step | None:
    """The latest step that was printed in these lines; its kind is the line without its numbers."""
    for line in reversed(data.split(b"\n")[-LINES_MAX:]):
        text = plain(line)
        step, epoch = _STEP.search(text), _EPOCH.search(text)
        if step is not None or epoch is not None:
            kind = _NUMBER.sub(b"#", text)[:_KIND_MAX].decode(errors="replace")
            return Step(kind, int(epoch[1]) if epoch else None, int(step[1]) if step else None)
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
