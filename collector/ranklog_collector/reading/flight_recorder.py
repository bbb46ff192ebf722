"""Recordings of PyTorch's flight recorder that lie in a run folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import orjson

from ranklog_collector.core.flight_recorder import Finding, Recording, compare, read
from ranklog_collector.core.plain_pickle import loads
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.state import Stream

BYTES_MAX = 64 << 20
TOTAL_BYTES_MAX = 512 << 20
_NAME = re.compile(
    r"(?:nccl_trace_rank_|(?:^|/)flight_recorder/(?:.*[^/\d])?)(?P<rank>\d{1,9})(?:\.json|\.pickle|\.pkl)?$"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the recordings of a run tell."""

    findings: tuple[Finding, ...]
    paths: dict[int, str]
    """Of the recording of each rank, in the run folder."""
    unreadable: dict[str, str]
    """Files that are no recordings, and why."""
    time_ns: int
    """When the last of them was written, by the collector's clock."""


def flight_recordings(folder: RunFolder) -> Comparison | None:
    """Compare the recordings of all ranks; None if there are none."""
    latest: dict[int, Stream] = {}
    for stream in folder.state.streams.values():
        named = _NAME.search(stream.path)
        if named is not None and stream.size:
            rank = int(named["rank"])
            if rank not in latest or stream.number > latest[rank].number:
                latest[rank] = stream
    if not latest:
        return None
    recordings: list[Recording] = []
    unreadable, left = {}, TOTAL_BYTES_MAX
    for rank, stream in sorted(latest.items()):
        left -= stream.size
        try:
            recordings.append(read(rank, _values(folder, stream, left)))
        except (OSError, ValueError) as error:
            unreadable[stream.path] = str(error)
    state = folder.state
    time_ns = max(one.timeline.last(state.clock(one)) or 0 for one in latest.values())
    paths = {one.rank: latest[one.rank].path for one in recordings}
    return Comparison(tuple(compare(recordings)), paths, unreadable, time_ns)


def _values(folder: RunFolder, stream: Stream, left: int) -> object:
    if stream.size > BYTES_MAX or left < 0:
        raise ValueError(f"{stream.size} bytes are too many")
    with folder.opened(stream) as file:
        data = os.pread(file, stream.size, 0)
    return orjson.loads(data) if data.lstrip()[:1] == b"{" else loads(data)
