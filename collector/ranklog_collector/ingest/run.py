"""One live run: what agents say of it becomes journal entries, bytes in files, and news for the agents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Protocol

from ranklog_collector.core import journal
from ranklog_collector.core.assembly import Refusal as ChunkRefusal
from ranklog_collector.core.assembly import Write
from ranklog_collector.core.backlog import Collected
from ranklog_collector.core.event_files import is_event_file
from ranklog_collector.core.figures import Counters
from ranklog_collector.core.layout import API_FILE, Renaming, StreamKey
from ranklog_collector.core.presence import NOT_STARTED, Node
from ranklog_collector.core.run_state import GrowingFile, Listener, Source, Stream
from ranklog_collector.errors import Refusal, RefusedError, StoreError
from ranklog_collector.ingest.asking import Asked, Asking
from ranklog_collector.ingest.checked import Greeting
from ranklog_collector.ingest.publisher import Publisher
from ranklog_collector.ingest.recovery import Recovered
from ranklog_collector.ingest.writer import Writer
from ranklog_collector.store.api import Store

TAIL_BYTES = 4096
UPLOADS = ("outputs/", "children/")
"""Below these clients of the HTTP API store files."""
GAPS_MAX = 1000
"""Of one segment."""
SEGMENTS_PER_STREAM = 10
"""On average, at most."""


class Session(Listener, Asked, Protocol):
    """An agent's session, as far as the run has to do with it."""

    def paused(self, reason: str) -> None:
        """Nothing can be written now."""

    def resumed(self) -> None:
        """Every segment goes on from what is durable."""

    def fenced(self) -> None:
        """A newer agent speaks for the node."""

    def farewell(self) -> None:
        """The collector goes away."""


class Run:
    """A run and its folder. `serve` is its life; all else is called from the event loop, and nothing blocks."""

    def __init__(
        self,
        folder: str,
        store: Store,
        recovered: Recovered,
        threads: Executor,
        streams_max: int,
        counters: Counters | None = None,
        silence_s: float = 0.0,
    ) -> None:
        self.folder = folder
        self._counters = counters or Counters()
        self._state = recovered.state
        self._store = store
        self._threads = threads
        self._streams_max = streams_max
        self._sessions: dict[str, Session] = {}
        self._writer = Writer(store, recovered.journal_file, self, threads, self._counters)
        self._publisher = Publisher(store, recovered.state, threads)
        self._asking = Asking(store, self._state.presence.processes, self._sessions, self._record, silence_s)
        self._heeding = asyncio.Lock()
        self._is_closed = False
        self.idle_since_ns = time.time_ns()
        self.ended = asyncio.Event()
        # What a crash came in between of.
        self._move(self._state.layout.settle())

    @property
    def run_id(self) -> str:
        """Its id."""
        assert self._state.run is not None
        return self._state.run.run_id

    @property
    def state(self) -> str:
        """notstarted, running, finalizing, completed, failed, canceled or lost."""
        return self._state.presence.state

    @property
    def is_ended(self) -> bool:
        """Whether the run has ended."""
        return self._state.presence.is_ended

    @property
    def has_all_processes(self) -> bool:
        """Whether every process that there should be has been seen, and at least one."""
        return self._state.presence.processes.is_complete

    @property
    def points(self) -> Collected:
        """How many bytes of points have come, by the number of their stream."""
        streams = [
            one for one in self._state.streams.values() if one.key.role == "metrics" or is_event_file(one.key.name)
        ]
        sizes = {one.number: one.file.assembly.durable_size for one in streams if one.file is not None}
        return Collected(sizes, self.is_ended)

    @property
    def sessions(self) -> list[Session]:
        """The agents that are connected."""
        return list(self._sessions.values())

    # ---- life -------------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Write and publish until `stop`; then the folder is complete and let go of."""
        self._publisher.touch()
        writing = asyncio.create_task(self._writer.run())
        publishing = asyncio.create_task(self._publisher.run())
        try:
            # As a rule the writer ends first, when it is told to; if either fails the other is not left behind.
            await asyncio.wait((writing, publishing), return_when=asyncio.FIRST_COMPLETED)
            self._writer.stop()
            await writing
            self._publisher.stop()
            await publishing
        finally:
            writing.cancel()
            publishing.cancel()
            await asyncio.gather(writing, publishing, return_exceptions=True)
            async with self._heeding:
                self._is_closed = True
                self._store.close()

    def stop(self) -> None:
        """Send the agents away and let `serve` end."""
        for session in self.sessions:
            session.farewell()
        self._record(journal.Stopped(time.time_ns()))
        self._writer.stop()

    def tick(self, now_ns: int) -> None:
        """Time has passed."""
        for entry in self._state.presence.tick(now_ns):
            self._record(entry)
        self._asking.tick()

    async def heed_requests(self) -> None:
        """Do what is asked for by files in the run folder."""
        async with self._heeding:
            if self.sessions and not self._is_closed:
                for request in await asyncio.get_running_loop().run_in_executor(self._threads, self._asking.taken):
                    self._asking.ask(request)

    def begin(self) -> None:
        """The job is about to be started here: it may ask for its run before any record of it has come."""
        if self._state.presence.state == NOT_STARTED:
            self._record(journal.State("running", time.time_ns()))

    def finish(self) -> None:
        """The job was started here, and is over: ranks that have not come will not come any more."""
        self._state.presence.is_over = True

    def asked(self, why: str, by: str, time_ns: int) -> None:
        """Put down that the job was asked to end from here."""
        self._record(journal.Asked(why, by, time_ns))

    # ---- nodes ------------------------------------------------------------------------------------------------------

    def join(self, greeting: Greeting, session: Session) -> bool:
        """Let a session speak for its node, and end the one that did; False if a newer agent does.

        Raises RefusedError.
        """
        node_id, now_ns = greeting.node_id, time.time_ns()
        nodes = self._state.presence.nodes
        if node_id not in nodes and len(nodes) >= self._streams_max:
            raise RefusedError(Refusal.RESOURCE_EXHAUSTED, f"run {self.run_id} has {len(nodes)} nodes already")
        if self._state.presence.is_fenced(node_id, greeting.epoch):
            self._record(journal.Node(node_id, "fenced", now_ns, epoch=greeting.epoch))
            return False
        former = self._sessions.pop(node_id, None)
        if former is not None:
            former.fenced()
        self._sessions[node_id] = session
        node = Node(node_id, greeting.node_ip, greeting.hostname, greeting.epoch, greeting.version)
        for entry in self._state.presence.hello(node, now_ns):
            self._record(entry)
        return True

    def leave(self, node_id: str, session: Session) -> None:
        """A session is over."""
        if self._sessions.get(node_id) is session:
            del self._sessions[node_id]
            self.idle_since_ns = time.time_ns()

    def heard(self, node_id: str, now_ns: int) -> None:
        """A node's agent has said something."""
        for entry in self._state.presence.heard(node_id, now_ns):
            self._record(entry)

    def clock(self, node_id: str, offset_ns: int, error_ns: int, now_ns: int) -> None:
        """A node has compared its clock with ours."""
        for entry in self._state.presence.clock(node_id, offset_ns, error_ns, now_ns):
            self._record(entry)

    def goodbye(self, node_id: str, reason: str, undelivered: int, now_ns: int) -> None:
        """A node's agent has ended."""
        for entry in self._state.presence.goodbye(node_id, reason, undelivered, now_ns):
            self._record(entry)

    def process(
        self, node_id: str, key: str, event: str, record: journal.Record, confirmation: Callable[[], None]
    ) -> None:
        """Take a fact about a process; `confirmation` is called when it is durable. Raises RefusedError."""
        processes = self._state.presence.processes
        if processes.get(node_id, key) is None and len(processes) >= self._streams_max:
            raise RefusedError(Refusal.RESOURCE_EXHAUSTED, f"run {self.run_id} has {len(processes)} processes already")
        for entry in self._state.presence.process(node_id, key, event, record, time.time_ns()):
            self._record(entry)
        self._writer.confirm(confirmation)

    # ---- segments ---------------------------------------------------------------------------------------------------

    @property
    def streams(self) -> int:
        """How many streams it has."""
        return len(self._state.streams)

    @property
    def is_paused(self) -> bool:
        """Whether nothing can be written now: chunks and closes are not to be brought here."""
        return self._writer.pause_reason is not None

    def open(self, key: StreamKey, entry: journal.Segment, session: Session) -> Source:
        """Begin a segment or take one up again; `entry` lacks its numbers and its time. Raises RefusedError."""
        source = self._state.sources.get(entry.id)
        if source is None:
            source = self._add_source(key, entry)
        elif (source.stream.key.node, source.is_snapshot) != (key.node, key.snapshot):
            raise RefusedError(Refusal.INVALID_ARGUMENT, f"segment {entry.id} is of another node or kind")
        elif not self._is_final(source):
            source.file.assembly.open(source.number)
            source.confirmed = False
        source.listener = session
        return source

    def append(
        self, source: Source, offset: int, data: memoryview, crc: int, seen: list[tuple[int, int]]
    ) -> int | ChunkRefusal:
        """Take the next bytes of a segment and return how many were new, or say why not. Raises RefusedError."""
        if self._is_final(source) and offset + len(data) > source.progress.received:
            raise RefusedError(Refusal.INVALID_ARGUMENT, "a snapshot cannot grow after its close: name a new segment")
        outcome = source.file.assembly.append(source.progress, offset, data, crc, seen)
        if isinstance(outcome, Write):
            source.confirmed = False
            self._writer.put(source, outcome)
            self._counters.received_bytes += len(outcome.data)
            self._asking.heard(source.stream.key)
            return len(outcome.data)
        if outcome is not ChunkRefusal.REPEAT:
            self._counters.chunks_refused += 1
        return outcome

    def close(self, source: Source, size: int, crc: int) -> bool:
        """Take a segment's final size and checksum; False if they are not those of what is held."""
        if not source.file.assembly.close(source.progress, size, crc):
            return False
        if source.confirmed and source.listener is not None:
            source.listener.made_durable(source)
        else:
            self._writer.close(source)
        return True

    def gap(self, source: Source, at: int, end: int | None, reason: str) -> None:
        """Bytes of a segment are lost; told again it changes nothing. Raises RefusedError."""
        if at not in source.gaps and len(source.gaps) >= GAPS_MAX:
            raise RefusedError(Refusal.RESOURCE_EXHAUSTED, f"a segment has {GAPS_MAX} gaps already")
        if at not in source.gaps:
            self._record(journal.Gap(source.number, at, end, reason, time.time_ns()))

    async def known(self, node_id: str) -> list[tuple[Source, bytes]]:
        """A node's segments, each with the last bytes that are held of it."""
        await self._writer.flushed()
        sources = [one for one in self._state.sources.values() if one.stream.key.node == node_id]
        tails = await asyncio.get_running_loop().run_in_executor(self._threads, self._read_tails, sources)
        return list(zip(sources, tails, strict=True))

    # ---- for the writer ---------------------------------------------------------------------------------------------

    @property
    def files(self) -> Iterable[GrowingFile]:
        """See Owner."""
        return self._state.files

    def paused(self, reason: str) -> None:
        """See Owner."""
        for source in self._state.sources.values():
            source.written = source.progress.received
        self._record(journal.Pause(reason, time.time_ns()))
        for session in self.sessions:
            session.paused(reason)

    def resumed(self) -> None:
        """See Owner."""
        if self._state.pause is not None:
            self._record(journal.Resume(self._state.pause.reason, time.time_ns()))
        for session in self.sessions:
            session.resumed()

    def published(self, source: Source) -> list[Source]:
        """See Owner."""
        return self._state.published(source)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _record(self, entry: journal.Entry) -> None:
        self._state.apply(entry)
        self._writer.record(entry)
        self._publisher.touch()
        if isinstance(entry, journal.Node):
            self._move(self._state.layout.learned(entry.node, ""))
        elif isinstance(entry, journal.Process):
            self._asking.heard(None)
            self._move(self._state.layout.learned(entry.node, entry.key))
        elif isinstance(entry, journal.State):
            if self.is_ended:
                self.ended.set()
            else:
                self.ended.clear()

    def _move(self, renamings: Iterable[Renaming]) -> None:
        for one in renamings:
            self._record(journal.Path(one.stream, one.target))
            self._writer.rename(self._state.stream(one.stream), one.target)

    def _add_source(self, key: StreamKey, entry: journal.Segment) -> Source:
        state = self._state
        if len(state.sources) >= self._streams_max * SEGMENTS_PER_STREAM:
            raise RefusedError(Refusal.RESOURCE_EXHAUSTED, f"run {self.run_id} has too many segments")
        stream = state.streams.get(key) or self._add_stream(key)
        self._record(replace(entry, segment=state.last_segment + 1, stream=stream.number, time=time.time_ns()))
        source = state.sources[entry.id]
        if not self.is_paused:
            # Even if no byte ever comes: what is empty there is empty here.
            self._writer.put(source, Write(source.file.assembly.size, memoryview(b""), None))
        return source

    def _add_stream(self, key: StreamKey) -> Stream:
        state = self._state
        if len(state.streams) >= self._streams_max:
            raise RefusedError(Refusal.RESOURCE_EXHAUSTED, f"run {self.run_id} has {self._streams_max} streams already")
        number = state.last_stream + 1
        path = state.layout.place(number, key, self._is_uploaded)
        self._record(journal.Stream(number, key.node, key.role, key.process, key.name, path, key.snapshot))
        return state.streams[key]

    def _is_uploaded(self, path: str) -> bool:
        """Whether somebody has stored a file there by REST, of which the journal knows nothing."""
        if not path.startswith(UPLOADS):
            return False
        try:
            return self._store.size(API_FILE) is not None and self._store.size(path) is not None
        except StoreError:  # whoever writes there will see it, too
            return False

    def _is_final(self, source: Source) -> bool:
        """Whether this is a snapshot that is, or is about to become, its stream's file."""
        return source.is_snapshot and source.progress.closed is not None

    def _read_tails(self, sources: list[Source]) -> list[bytes]:
        return [self._read_tail(source) for source in sources]

    def _read_tail(self, source: Source) -> bytes:
        received = source.progress.received
        for extent in reversed(source.file.assembly.extents):
            if extent.segment == source.number:
                length = min(TAIL_BYTES, received - extent.at)
                path = source.stream.path if source.confirmed and source.is_snapshot else source.file.path
                return self._store.read(path, extent.pos + received - extent.at - length, length)
        return b""
