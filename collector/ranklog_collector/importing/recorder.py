"""Writing an imported run folder: the journal and the bytes, with the same assembly and store as a live run's."""

from __future__ import annotations

from dataclasses import dataclass, field
from zlib import crc32

from ranklog_collector.core import journal
from ranklog_collector.core.assembly import Write
from ranklog_collector.core.layout import StreamKey
from ranklog_collector.core.run_state import RunState, Source
from ranklog_collector.importing.formats.found import File
from ranklog_collector.importing.gather import read_raw
from ranklog_collector.importing.model import Copy, Plan, Split, Stream
from ranklog_collector.importing.pieces import pieces
from ranklog_collector.ingest.journal_file import JournalFile
from ranklog_collector.store.api import Store

BUFFER_BYTES = 256 << 10
MARK_BYTES = 8 << 20
"""A damaged file is narrowed down to so much by `ranklog verify`."""
REASON = "imported"
_OF_PROCESSES = frozenset(("stdout", "stderr"))


class Recorder:
    """Writes a run folder, from its first to its last journal line. Blocks; raises StoreError."""

    def __init__(self, store: Store, run: journal.Run) -> None:
        self.remarks: list[str] = []
        """What could not be read."""
        self._folder = _Folder(store)
        self._folder.record(run)

    def begin(self, plan: Plan, version: str) -> None:
        """Tell of the nodes and processes."""
        for node in plan.nodes:
            self._folder.record(journal.Node(node.name, "joined", plan.begun_ns, node.ip, node.name, version=version))
            if plan.clock_error_ns is not None:
                self._folder.record(journal.Clock(node.name, 0, plan.clock_error_ns, plan.begun_ns))
        self._folder.record(journal.State("running", plan.begun_ns))
        for process in plan.processes:
            start_ns = process.record["start_ns"]
            self._folder.record(journal.Process(process.node, process.key, "started", start_ns, process.record))

    def copy(self, copy: Copy) -> None:
        """Take over files as they are; what cannot be read is a gap."""
        key = self._folder.key(copy.stream)
        for file in copy.files:
            sink = _Sink(self._folder, self._folder.open(key, file, is_same=True))
            size = 0
            try:
                for data in read_raw(file):
                    sink.write(data, None)
                    size += len(data)
                if size != file.size:
                    self.remarks.append(f"{file.path} changed while it was read: import it again when it is complete")
            except OSError as error:
                sink.gap(self._cannot(file, error))
            sink.end(file.mtime_ns)

    def split(self, split: Split) -> None:
        """Take files apart into their streams."""
        sinks: dict[Stream, _Sink] = {}
        gaps: list[str] = []

        def sink(stream: Stream) -> _Sink:
            if stream not in sinks:
                source = self._folder.open(self._folder.key(stream), split.files[0], is_same=False)
                sinks[stream] = _Sink(self._folder, source)
            return sinks[stream]

        def failed(file: File, error: OSError) -> None:
            gaps.append(self._cannot(file, error))

        for stream in split.targets.values():
            if stream.role == "stdout":
                sink(stream)  # also if it stays empty: then the process has said nothing
        for piece in pieces(split.files, split.coding, split.style, failed):
            target = split.targets.get((piece.rank, piece.stream))
            if target is not None:
                local_ns = None if piece.local_ns is None else piece.local_ns - split.zone_ns
                sink(target).write(piece.data, local_ns if piece.time_ns is None else piece.time_ns)
        for one in sinks.values():
            if gaps:
                one.gap(gaps[0])
            one.end(split.files[-1].mtime_ns)

    def note(self, stream: Stream, text: str, time_ns: int) -> None:
        """Write a text of our own."""
        file = File(REASON, 0, REASON, len(text), time_ns, 0)
        sink = _Sink(self._folder, self._folder.open(self._folder.key(stream), file, is_same=False))
        sink.write(text.encode(errors="replace"), time_ns)
        sink.end(time_ns)

    def finish(self, plan: Plan) -> None:
        """Tell how all ended, and make everything durable."""
        for process in sorted(plan.processes, key=lambda one: one.ended_ns):
            event, record = ("exited", process.end) if process.end else ("vanished", {"end_ns": process.ended_ns})
            # Of those that nobody has seen end nothing is told.
            if process.end is not None or process.is_gone:
                self._folder.record(journal.Process(process.node, process.key, event, process.ended_ns, record))
        for node in plan.nodes:
            self._folder.record(journal.Node(node.name, "left", plan.ended_ns, reason=REASON))
        self._folder.record(journal.State(plan.state, plan.ended_ns))
        self._folder.record(journal.Stopped(plan.ended_ns))
        self._folder.sync()

    def _cannot(self, file: File, error: OSError) -> str:
        reason = error.strerror or str(error)
        self.remarks.append(f"{file.path} cannot be read to its end: {reason}")
        return reason


@dataclass(slots=True)
class _Folder:
    """Journal and files, and what they say."""

    store: Store
    state: RunState = field(default_factory=RunState)
    log: JournalFile = field(init=False)

    def __post_init__(self) -> None:
        self.log = JournalFile(self.store, 0)

    def record(self, entry: journal.Entry) -> None:
        """Journal what was decided."""
        self.state.apply(entry)
        self.log.append(entry)

    def key(self, stream: Stream) -> StreamKey:
        """Make a stream, or add to one: only a process's output comes from several files."""
        key = StreamKey(stream.node, stream.role, stream.process, stream.name, snapshot=False)
        while key in self.state.streams and stream.role not in _OF_PROCESSES:
            key = StreamKey(stream.node, stream.role, stream.process, f"{key.name}_", snapshot=False)
        if key not in self.state.streams:
            number = self.state.last_stream + 1
            path = self.state.layout.place(number, key)
            self.record(journal.Stream(number, key.node, key.role, key.process, key.name, path))
        return key

    def open(self, key: StreamKey, file: File, is_same: bool) -> Source:
        """Begin a segment of a stream; `is_same` says that its bytes are the file's own."""
        number = self.state.last_segment + 1
        name = f"{number:016x}"
        device, inode = (file.device, file.inode) if is_same else (0, 0)
        stream = self.state.streams[key].number
        source = file.path.encode(errors="replace").decode()
        self.record(journal.Segment(number, name, stream, source, device, inode, 0, False, file.mtime_ns))
        return self.state.sources[name]

    def sync(self) -> None:
        """Make everything durable."""
        self.log.flush()
        self.store.sync([stream.path for stream in self.state.streams.values()])
        self.log.sync()


@dataclass(slots=True)
class _Sink:
    """Takes the bytes of one segment; the last are held back until `end`, which may have to say when they came."""

    folder: _Folder
    source: Source
    _buffer: list[bytes] = field(default_factory=list)
    _buffered: int = 0
    _seen: list[tuple[int, int]] = field(default_factory=list)

    def write(self, data: bytes, time_ns: int | None) -> None:
        """Take the next bytes, and when they came if that is known."""
        if not data:
            return
        if self._buffered >= BUFFER_BYTES:
            self._flush()
        self._buffer.append(data)
        self._buffered += len(data)
        if time_ns is not None:
            end = self.source.progress.received + self._buffered
            if self._seen and self._seen[-1][1] == time_ns:
                self._seen.pop()
            self._seen.append((end, time_ns))

    def gap(self, reason: str) -> None:
        """There may have been more."""
        self._flush()
        source = self.source
        if not source.gaps:
            self.folder.record(journal.Gap(source.number, source.progress.received, None, reason, source.entry.time))

    def end(self, time_ns: int) -> None:
        """There are no more bytes; those whose time nobody knows came by `time_ns` at the latest."""
        end = self.source.progress.received + self._buffered
        if self._buffered and (not self._seen or self._seen[-1][0] < end):
            self._seen.append((end, max(time_ns, self._seen[-1][1]) if self._seen else time_ns))
        self._flush()
        self._mark()
        progress = self.source.progress
        self.folder.log.append(journal.Close(self.source.number, progress.received, progress.crc, time_ns))

    def _flush(self) -> None:
        assembly, progress = self.source.file.assembly, self.source.progress
        data = b"".join(self._buffer)
        if data:
            write = assembly.append(
                progress, progress.received, memoryview(data), crc32(data, progress.crc), self._seen
            )
            assert isinstance(write, Write)
            if write.extent is not None:
                extent = write.extent
                self.folder.log.append(journal.Extent(extent.segment, extent.at, extent.pos))
            self.folder.log.flush()
            self.folder.store.append(self.source.file.path, write.pos, write.data)
        elif not progress.received:
            # Even if no byte ever comes: what is empty there is empty here.
            self.folder.store.append(self.source.file.path, assembly.size, b"")
        self._buffer, self._buffered, self._seen = [], 0, []
        if assembly.size - assembly.durable_size >= MARK_BYTES:
            self._mark()

    def _mark(self) -> None:
        """Vouch for what was written; that it is durable is seen to before anybody sees the folder."""
        assembly = self.source.file.assembly
        marks = assembly.cut()
        for mark in marks:
            self.folder.log.append(journal.Mark(mark.segment, mark.end, mark.crc, mark.seen))
        assembly.synced(marks)
