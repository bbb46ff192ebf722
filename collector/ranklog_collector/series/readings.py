"""Which streams of a run have points, and how these are found in their bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from ranklog_collector.core.event_files import is_event_file, labels
from ranklog_collector.core.point_columns import Points
from ranklog_collector.core.point_totals import Totals
from ranklog_collector.core.points import Names, Parsed, parse
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.state import Stream
from ranklog_collector.series.blocks import Block, Read, blocks
from ranklog_collector.series.event_blocks import parse_records, record_blocks
from ranklog_collector.series.printed import printed

RESOURCES = "resources"
_VERSION = 1
"""Of how event files are read: if another one finds other points, segments that this one has made are none."""
_SUBMITTER = "submitter-"
"""Begins the keys of those who only tag a run from outside."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one stream is read."""

    stream: Stream
    manner: str = ""
    """What decides besides bytes which points there are: what was made in another manner counts as not made."""
    blocks: Callable[[Read, int, int], Iterator[Block]] = blocks
    parse: Callable[[bytes, int, Names], Parsed] = parse
    is_printed: bool = False
    """Whether it is output of which rules make points: what they do not understand is no damage."""

    @property
    def is_resource(self) -> bool:
        """Whether an agent observed it."""
        return self.stream.role == "metrics" and self.stream.name == RESOURCES

    def feed(self, totals: Totals, block: Block) -> Points:
        """Add a block to totals and return its points."""
        if block.begin == block.end:
            totals.is_cut_off = True
            return totals.add(Parsed(), block.end)
        skipped = Parsed(damaged=int(not self.is_printed))
        parsed = self.parse(block.data, block.begin, totals.names) if block.data else skipped
        return totals.add(parsed, block.end)


def readings(folder: RunFolder) -> list[Reading]:
    """All streams that have points."""
    streams = [stream for stream in folder.state.streams.values() if stream.snapshot is None]
    logged = [*(Reading(stream) for stream in streams if stream.role == "metrics"), *_event_files(streams)]
    is_silent = all(one.is_resource or one.stream.process.startswith(_SUBMITTER) for one in logged)
    of_output = printed(folder, is_silent)
    return [*logged, *(Reading(one.stream, one.manner, parse=one.parse, is_printed=True) for one in of_output)]


def _event_files(streams: list[Stream]) -> Iterator[Reading]:
    of_process: dict[tuple[str, str], list[Stream]] = defaultdict(list)
    for stream in streams:
        if stream.role == "log" and is_event_file(stream.path):
            of_process[stream.node, stream.process].append(stream)
    for own in of_process.values():
        label_of = labels(stream.path for stream in own)
        for stream in own:
            label = label_of[stream.path]
            taking = partial(parse_records, file=stream.path, label=label)
            yield Reading(stream, f"tfevents {_VERSION} {label}\n{stream.path}", record_blocks, taking)
