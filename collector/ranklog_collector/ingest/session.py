"""One agent's session: its messages in, what has to be said to it out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from zlib import crc32

from ranklog_collector.core import journal
from ranklog_collector.core.assembly import Refusal as ChunkRefusal
from ranklog_collector.core.requests import StackRequest
from ranklog_collector.core.run_state import Source
from ranklog_collector.errors import Refusal, RefusedError
from ranklog_collector.ingest import checked
from ranklog_collector.ingest.handles import Handles
from ranklog_collector.ingest.outbox import Outbox
from ranklog_collector.ingest.run import Run
from ranklog_proto.v1 import ingest_pb2 as pb

KNOWN_PER_MESSAGE = 500
ACKS_PER_WINDOW = 8


class Session:
    """Speaks for one node. The run calls it as its segments' listener; `receive` never waits."""

    def __init__(self, run: Run, node_id: str, window_bytes: int) -> None:
        self._run = run
        self._node_id = node_id
        self.window_bytes = window_bytes
        self._handles = Handles()
        self._rounds: dict[int, int] = {}
        self._unwritten = 0
        self._untold = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self.outbox = Outbox(self._handles, self._rounds)

    # ---- from the agent ---------------------------------------------------------------------------------------------

    def receive(self, message: pb.FromAgent, payload: memoryview) -> bool:
        """Take one message; False if there is nothing more to be said. Raises RefusedError."""
        if self.outbox.is_over:
            return False
        now_ns = time.time_ns()
        self._run.heard(self._node_id, now_ns)
        kind = message.WhichOneof("kind")
        if kind == "append":
            self._append(message.append, payload)
        elif kind == "open":
            self._open(message.open)
        elif kind == "close":
            self._close(message.close)
        elif kind == "gap":
            self._gap(message.gap)
        elif kind == "process":
            key, event, record = checked.fact(message.process)
            self._run.process(self._node_id, key, event, record, lambda: self.outbox.fact(key, event))
        elif kind == "heartbeat":
            self._heartbeat(message.heartbeat, now_ns)
        elif kind == "goodbye":
            goodbye = message.goodbye
            reason = goodbye.reason[: checked.NODE_LENGTH_MAX]
            self._run.goodbye(self._node_id, reason, checked.size(goodbye.undelivered_bytes), now_ns)
            return False
        else:
            raise RefusedError(Refusal.INVALID_ARGUMENT, f"a message of kind {kind} has no place here")
        return True

    async def room(self) -> None:
        """Wait until no more than a window's bytes of this session are waiting to be written."""
        await self._has_room.wait()

    async def known(self) -> AsyncIterator[pb.Known]:
        """What is held of this node, in messages of bounded size."""
        segments = [_known_segment(source, tail) for source, tail in await self._run.known(self._node_id)]
        while len(segments) > KNOWN_PER_MESSAGE:
            yield pb.Known(segments=segments[:KNOWN_PER_MESSAGE])
            del segments[:KNOWN_PER_MESSAGE]
        yield pb.Known(segments=segments, last=True)

    def end(self) -> None:
        """The connection is gone."""
        self._let_go()
        self._run.leave(self._node_id, self)

    # ---- from the run -----------------------------------------------------------------------------------------------

    def wrote(self, source: Source, size: int) -> None:
        """See Listener."""
        self._unwritten = max(0, self._unwritten - size)
        if self._unwritten <= self.window_bytes:
            self._has_room.set()
        # Durability is soon told anyway; before that only an agent whose window fills up has to know.
        self._untold += size
        is_urgent = self._untold >= self.window_bytes // ACKS_PER_WINDOW
        self._note_ack(source, is_urgent)
        if is_urgent:
            self._untold = 0

    def made_durable(self, source: Source) -> None:
        """See Listener."""
        self._note_ack(source, is_urgent=True)

    def paused(self, reason: str) -> None:
        """See run.Session."""
        self._unwritten = 0
        self._has_room.set()
        for handle in self._handles:
            self.outbox.pause(handle, reason)

    def resumed(self) -> None:
        """See run.Session."""
        for number in {source.stream.number for source in self._handles.sources}:
            self._begin_round(number)

    def fenced(self) -> None:
        """See run.Session."""
        self._let_go()
        self.outbox.farewell(pb.Farewell.FENCED)

    def dump_stacks(self, request: StackRequest, processes: Iterable[str]) -> None:
        """See Asked."""
        message = pb.DumpStacks(
            request=request.id,
            processes=processes,
            native=request.is_native,
            gently=request.is_gentle,
            timeout_ms=round(request.timeout_s * 1000),
        )
        self.outbox.dump_stacks(message)

    def farewell(self) -> None:
        """See run.Session."""
        self.outbox.farewell(pb.Farewell.SHUTTING_DOWN)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _open(self, message: pb.Open) -> None:
        key, segment = checked.opened(self._node_id, message)
        evidence = message.evidence
        entry = journal.Segment(
            segment=0,
            id=segment,
            stream=0,
            source=evidence.path,
            dev=evidence.device,
            ino=evidence.inode,
            birth_ns=evidence.birth_ns,
            snapshot=message.snapshot,
            time=0,
        )
        source = self._run.open(key, entry, self)
        self._handles.assign(message.handle, source)
        if self._run.is_paused:
            self.outbox.pause(message.handle, "the run folder cannot be written")
        else:
            self.outbox.resume(message.handle)

    def _append(self, message: pb.Append, payload: memoryview) -> None:
        start = 0
        for chunk in message.chunks:
            data = payload[start : start + chunk.length]
            start += chunk.length
            if len(data) < chunk.length:
                raise RefusedError(Refusal.INVALID_ARGUMENT, "the chunks of a message are longer than its payload")
            seen = checked.sightings(chunk)
            source = self._handles.source(chunk.handle)
            if source is None or self._run.is_paused or chunk.round != self._rounds.get(source.stream.number, 0):
                continue
            outcome = self._run.append(source, chunk.offset, data, chunk.crc32, seen)
            if isinstance(outcome, int):
                self._unwritten += outcome
            elif outcome is ChunkRefusal.REPEAT:
                self.outbox.ack(chunk.handle)
            else:
                self._begin_round(source.stream.number)
        if self._unwritten > self.window_bytes:
            self._has_room.clear()

    def _close(self, message: pb.Close) -> None:
        source = self._handles.source(message.handle)
        if source is None or self._run.is_paused:
            return
        if not self._run.close(source, checked.size(message.size), message.crc32):
            self._begin_round(source.stream.number)

    def _gap(self, message: pb.Gap) -> None:
        source = self._handles.source(message.handle)
        if source is not None:
            end = checked.size(message.end) if message.WhichOneof("extent") == "end" else None
            self._run.gap(source, checked.size(message.offset), end, message.reason[: checked.NODE_LENGTH_MAX])

    def _heartbeat(self, message: pb.Heartbeat, now_ns: int) -> None:
        self.outbox.clock(message.time, now_ns)
        if message.clock_error_ns:
            self._run.clock(self._node_id, message.clock_offset_ns, checked.size(message.clock_error_ns), now_ns)

    def _begin_round(self, stream: int) -> None:
        """Whatever is on its way of this stream is void: its segments go on from what is held."""
        self._rounds[stream] = self._rounds.get(stream, 0) + 1
        for handle in self._handles.of_stream(stream):
            self.outbox.resume(handle)

    def _note_ack(self, source: Source, is_urgent: bool) -> None:
        handle = self._handles.handle(source)
        if handle is not None:
            self.outbox.ack(handle, is_urgent)

    def _let_go(self) -> None:
        for source in self._handles.sources:
            if source.listener is self:
                source.listener = None


def _known_segment(source: Source, tail: bytes) -> pb.KnownSegment:
    key, entry, progress = source.stream.key, source.entry, source.progress
    return pb.KnownSegment(
        stream=pb.Stream(role=checked.role_name(key.role), process=key.process, name=key.name),
        segment=entry.id,
        evidence=pb.Evidence(path=entry.source, device=entry.dev, inode=entry.ino, birth_ns=entry.birth_ns),
        snapshot=entry.snapshot,
        offset=progress.received,
        crc32=progress.crc,
        tail_length=len(tail),
        tail_crc32=crc32(tail),
        closed=progress.is_done,
    )
