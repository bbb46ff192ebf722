"""Comparing what was collected with the files that it was collected from, where they are on this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.spans import Span, read_spans, total
from ranklog_collector.reading.state import RunState, Segment, Stream

Incarnation = tuple[int, int]
"""Device and inode of a file."""


class SourceState(str, Enum):
    """How a source compares."""

    SAME = "same"
    DIFFERS = "differs"
    HAS_MORE = "has more"
    GONE = "gone"
    """It is not on this machine, or its file holds something else by now."""


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """One source file against the segment collected from it; the digests are SHA-256 of as many bytes."""

    path: str
    state: SourceState
    more: int = 0
    """Bytes that the source has beyond those collected."""
    source_sha256: str = ""
    collected_sha256: str = ""


def check_source(
    folder: RunFolder, stream: Stream, segment: Segment, spans: list[Span], newest: Mapping[Incarnation, int]
) -> SourceCheck:
    """Compare a segment, which is at `spans` of its stream's file, with its source.

    `newest` tells which segment was the last to be read from a file: the bytes of an earlier one were truncated away.
    """
    gone = SourceCheck(segment.source, SourceState.GONE)
    size = total(spans)
    path = _find(segment) if newest.get((segment.device, segment.inode)) == segment.number else None
    if path is None:
        return gone
    try:
        with open(path, "rb") as file, folder.opened(stream) as collected:
            has = os.fstat(file.fileno()).st_size
            if has < size:
                return gone
            there = _sha256(file.fileno(), [Span(0, size)])
            here = _sha256(collected, spans)
    except OSError:
        return gone
    state = SourceState.DIFFERS if there != here else SourceState.HAS_MORE if has > size else SourceState.SAME
    return SourceCheck(path, state, has - size, there, here)


def newest_segments(state: RunState) -> dict[Incarnation, int]:
    """Tell of each source file the last segment that was read from it."""
    return {(segment.device, segment.inode): segment.number for segment in state.segments.values()}


def _find(segment: Segment) -> str | None:
    """Find the very file, also if rotation has given it another name in its folder."""
    for path in _candidates(segment.source):
        try:
            status = os.stat(path)
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == (segment.device, segment.inode):
            return path
    return None


def _candidates(source: str) -> list[str]:
    try:
        with os.scandir(os.path.dirname(source)) as entries:
            return [source, *(entry.path for entry in entries if entry.is_file())]
    except OSError:
        return [source]


def _sha256(file: int, spans: list[Span]) -> str:
    digest = hashlib.sha256()
    for data in read_spans(file, spans):
        digest.update(data)
    return digest.hexdigest()
