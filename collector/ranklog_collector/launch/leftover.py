"""What is in the spool and has not been collected: the last check before a spool may be thrown away."""

from __future__ import annotations

import os
from collections import Counter

from ranklog import spool
from ranklog_collector.reading.state import RunState


def leftover(folder: str, state: RunState) -> int:
    """Count the bytes of the processes' output in a spool that the run folder does not have."""
    collected: Counter[str] = Counter()
    for segment in state.segments.values():
        collected[segment.source] += segment.end
    missing = 0
    for where, _, names in os.walk(spool.streams_folder(folder)):
        for name in names:
            path = os.path.join(where, name)
            missing += max(0, os.lstat(path).st_size - collected[path])
    return missing
