"""What the journal of one run says, entry by entry: built by a replay, carried on while the run lives.

`apply` takes entries that are decided first and then recorded; it is the only way to change what they speak of, live
and in a replay alike. `replay` also takes those that report what was done to files: a live run has done it itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ranklog_collector.core import journal
from ranklog_collector.core.assembly import Assembly, Extent
from ranklog_collector.core.assembly import Segment as Progress
from ranklog_collector.core.layout import INCOMING, Layout, StreamKey
from ranklog_collector.core.narration import Narrator
from ranklog_collector.core.presence import Presence


class Listener(Protocol):
    """Whoever ships a segment at present."""

    def wrote(self, source: Source, size: int) -> None:
        """Bytes of the segment, `size` of them, are in the file."""

    def made_durable(self, source: Source) -> None:
        """The segment's durable bytes have become more, or its close is confirmed."""


@dataclass(slots=True, eq=False)
class GrowingFile:
    """A file that is put together from segments."""

    path: str
    assembly: Assembly = field(default_factory=Assembly)
    stream: int = 0
    """The number of its stream; 0 for a snapshot on its way in."""


@dataclass(slots=True, eq=False)
class Stream:
    """A stream; that of snapshots has no growing file, each snapshot has its own."""

    number: int
    key: StreamKey
    path: str
    file: GrowingFile | None
    former_paths: list[str] = field(default_factory=list)
    snapshot: Source | None = None
    """The one that the file is."""
    incoming: dict[int, Source] = field(default_factory=dict)
    """Snapshots that are not published."""

    def move_to(self, path: str) -> None:
        """Its file is at `path` now."""
        self.path = path
        if self.file is not None:
            self.file.path = path


@dataclass(slots=True, eq=False)
class Source:
    """A segment: its source is a file of the node."""

    number: int
    stream: Stream
    file: GrowingFile
    progress: Progress
    entry: journal.Segment
    written: int = 0
    """Bytes in the file, durable or not; `progress.received` counts those on their way to it as well."""
    confirmed: bool = False
    """Its close is in the journal, and if it is a snapshot, it has been published."""
    gaps: set[int] = field(default_factory=set)
    listener: Listener | None = None

    @property
    def is_snapshot(self) -> bool:
        """Whether it replaces its stream's file as a whole."""
        return self.stream.file is None


@dataclass(slots=True)
class RunState:
    """All that is known of a run."""

    presence: Presence = field(default_factory=Presence)
    layout: Layout = field(init=False)
    narrator: Narrator = field(init=False)
    run: journal.Run | None = None
    pause: journal.Pause | None = None
    """Since when and why the folder cannot be written."""
    streams: dict[StreamKey, Stream] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    """Lines of overall/execution.txt, for the publisher to take."""
    last_stream: int = 0
    last_segment: int = 0
    _streams: dict[int, Stream] = field(default_factory=dict)
    _sources: dict[int, Source] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Connect the parts that read from presence."""
        self.layout = Layout(self.presence)
        self.narrator = Narrator(self.presence)

    @property
    def files(self) -> list[GrowingFile]:
        """All files that may grow, those of unpublished snapshots included."""
        growing = [stream.file for stream in self.streams.values() if stream.file is not None]
        return growing + [one.file for one in self.sources.values() if one.is_snapshot and not one.confirmed]

    def stream(self, number: int) -> Stream:
        """The stream of a number that is known."""
        return self._streams[number]

    def apply(self, entry: journal.Entry) -> None:
        """Take in an entry that was decided."""
        self.presence.apply(entry)
        if isinstance(entry, journal.Run):
            self.run = entry
        elif isinstance(entry, journal.Stream):
            self._add_stream(entry)
        elif isinstance(entry, journal.Segment):
            self._add_source(entry)
        elif isinstance(entry, journal.Pause):
            self.pause = entry
        elif isinstance(entry, journal.Resume):
            self.pause = None
        elif isinstance(entry, journal.Gap):
            self._sources[entry.segment].gaps.add(entry.at)
        line = self.narrator.tell(entry)
        if line is not None:
            self.story.append(line)

    def replay(self, entry: journal.Entry) -> None:
        """Take in any entry of an earlier life; one that speaks of something whose own line was damaged is skipped."""
        try:
            self._replay(entry)
        except KeyError:
            return

    def published(self, source: Source) -> list[Source]:
        """A snapshot has become its stream's file; returns older ones that nobody will finish any more."""
        stream = source.stream
        former, stream.snapshot = stream.snapshot, source
        source.confirmed = True
        stream.incoming.pop(source.number, None)
        abandoned = [one for one in stream.incoming.values() if one.number < source.number and one.listener is None]
        for one in (*abandoned, *([former] if former not in (None, source) else [])):
            stream.incoming.pop(one.number, None)
            self.sources.pop(one.entry.id, None)
            self._sources.pop(one.number, None)
        return abandoned

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _replay(self, entry: journal.Entry) -> None:
        if isinstance(entry, journal.Extent):
            self._sources[entry.segment].file.assembly.replay_extent(Extent(entry.segment, entry.at, entry.pos))
        elif isinstance(entry, journal.Mark):
            self._sources[entry.segment].file.assembly.replay_mark(entry.segment, entry.end, entry.crc)
        elif isinstance(entry, journal.Reset):
            file = self._streams[entry.stream].file
            if file is not None:
                file.assembly.replay_reset(entry.size)
        elif isinstance(entry, (journal.Close, journal.Snapshot)):
            source = self._sources[entry.segment]
            source.file.assembly.replay_close(entry.segment, entry.size)
            source.confirmed = True
            if source.is_snapshot:
                self.published(source)
        else:
            self.apply(entry)
            if isinstance(entry, journal.Stream):
                self.layout.restore(entry.stream, self._streams[entry.stream].key, entry.path)
            elif isinstance(entry, journal.Path):
                self.layout.restore_renamed(entry.stream, entry.path)
                stream = self._streams[entry.stream]
                stream.former_paths.append(stream.path)
                stream.move_to(entry.path)

    def _add_stream(self, entry: journal.Stream) -> None:
        key = StreamKey(entry.node, entry.role, entry.process, entry.name, entry.snapshot)
        file = None if entry.snapshot else GrowingFile(entry.path, stream=entry.stream)
        self.streams[key] = self._streams[entry.stream] = Stream(entry.stream, key, entry.path, file)
        self.last_stream = max(self.last_stream, entry.stream)

    def _add_source(self, entry: journal.Segment) -> None:
        stream = self._streams[entry.stream]
        file = stream.file
        if file is None:
            file = GrowingFile(f"{INCOMING}/{entry.id}")
            # A snapshot's file is its segment and nothing else: that needs no extent lines.
            file.assembly.replay_extent(Extent(entry.segment, 0, 0))
        source = Source(entry.segment, stream, file, file.assembly.open(entry.segment), entry)
        self.sources[entry.id] = self._sources[entry.segment] = source
        if source.is_snapshot:
            stream.incoming[source.number] = source
        self.last_segment = max(self.last_segment, entry.segment)
