"""What is in the spool and has not been collected: the last check before a spool may be thrown away."""

from __future__ import annotations

import os
from collections import Counter

from ranklog_collector.reading.state import RunState

SHIPPED = ("streams", "metrics", "artifacts", "logs")
"""Folders of a spool."""


def leftover(folder: str, state: RunState) -> int:
    """Count the bytes of what processes said, logged and uploaded in a spool that the run folder does not have."""
    collected: Counter[str] = Counter()
    for segment in state.segments.values():
        collected[segment.source] += segment.end
    missing = 0
    for where in SHIPPED:
        for inside, _, names in os.walk(os.path.join(folder, where)):
            for name in names:
                path = os.path.join(inside, name)
                missing += max(0, os.lstat(path).st_size - collected[path])
    return missing
