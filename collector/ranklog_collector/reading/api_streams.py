"""Streams of which the journal knows nothing: what came by REST, as much as is in its file (reference/points.md)."""

from __future__ import annotations

import os
import stat

from ranklog_collector.core.layout import API_POINTS
from ranklog_collector.reading.state import RunState, Stream

FIRST = 1 << 30
"""The numbers of these streams begin here; those of the journal never get so far."""
PROCESS = "api"
"""What counts as their writer."""
_SUFFIX = ".jsonl"
_NUMBER_MAX = 1 << 20


def look(state: RunState, root: str) -> bool:
    """Bring these streams of a run folder up to date; False if there is nothing new."""
    is_news = False
    for number, size in _sizes(os.path.join(root, API_POINTS)):
        stream = state.streams.get(FIRST + number)
        if stream is None:
            path = f"{API_POINTS}/{number}{_SUFFIX}"
            stream = state.streams[FIRST + number] = Stream(FIRST + number, "", "metrics", PROCESS, "", path)
            is_news = True
        if size != stream.size:
            stream.rewrites += size < stream.size
            stream.size = size
            is_news = True
    return is_news


def _sizes(folder: str) -> list[tuple[int, int]]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = []
    for name in names:
        stem = name.removesuffix(_SUFFIX)
        if stem == name or not stem.isdecimal() or str(int(stem)) != stem or int(stem) > _NUMBER_MAX:
            continue
        try:
            status = os.lstat(os.path.join(folder, name))
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            found.append((int(stem), status.st_size))
    return sorted(found)
