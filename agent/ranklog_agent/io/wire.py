"""The core's values as messages of the wire, and back. Protobuf goes no further than here."""

from __future__ import annotations

from ranklog_agent.core.clock import Offset
from ranklog_agent.core.engine import ChunkOut, Outgoing
from ranklog_agent.core.facts import Identity, StreamName, spelled
from ranklog_agent.core.matching import Remembered
from ranklog_agent.core.shipping import Closing, Opening, Resume, Telling
from ranklog_agent.core.stacks import TIMEOUT_S, TIMEOUT_S_MAX, DumpRequest
from ranklog_proto import framing
from ranklog_proto.v1 import ingest_pb2 as pb


def encode(messages: list[Outgoing]) -> list[bytes]:
    """Put messages into their wire form; chunks that follow one another travel together."""
    out: list[bytes] = []
    chunks: list[ChunkOut] = []
    for message in messages:
        if isinstance(message, ChunkOut):
            chunks.append(message)
            continue
        if chunks:
            out.append(_append(chunks))
            chunks = []
        out.append(framing.encode(_other(message)))
    if chunks:
        out.append(_append(chunks))
    return out


def _append(chunks: list[ChunkOut]) -> bytes:
    append = pb.Append()
    for chunk in chunks:
        message = append.chunks.add(
            handle=chunk.handle, offset=chunk.offset, length=len(chunk.data), crc32=chunk.crc, round=chunk.round
        )
        for end, time in chunk.seen:
            message.seen.add(end=end, time=time)
    payload = chunks[0].data if len(chunks) == 1 else b"".join(chunk.data for chunk in chunks)
    return framing.encode(pb.FromAgent(append=append), payload)


def _other(message: Opening | Telling | Closing) -> pb.FromAgent:
    if isinstance(message, Opening):
        one, track = message.incarnation, message.track
        evidence = pb.Evidence(
            path=spelled(track.path),
            device=one.identity.device,
            inode=one.identity.inode,
            birth_ns=one.identity.birth_ns,
        )
        stream = pb.Stream(
            role=f"ROLE_{track.stream.role.upper()}",
            process=track.stream.process,
            name=track.stream.name,
        )
        return pb.FromAgent(
            open=pb.Open(
                handle=message.handle,
                stream=stream,
                segment=one.segment,
                evidence=evidence,
                snapshot=track.is_snapshot,
            )
        )
    if isinstance(message, Telling):
        loss = message.loss
        gap = pb.Gap(handle=message.handle, offset=loss.offset, reason=loss.reason, time=loss.time_ns)
        if loss.end is None:
            gap.unknown = True
        else:
            gap.end = loss.end
        return pb.FromAgent(gap=gap)
    return pb.FromAgent(close=pb.Close(handle=message.handle, size=message.size, crc32=message.crc))


def started(key: str, record: bytes) -> bytes:
    """A process exists."""
    return framing.encode(pb.FromAgent(process=pb.Process(key=key, started=record)))


def exited(key: str, record: bytes) -> bytes:
    """A process has ended, and how."""
    return framing.encode(pb.FromAgent(process=pb.Process(key=key, exited=record)))


def vanished(key: str, time_ns: int) -> bytes:
    """A process is gone, and nobody can tell how."""
    return framing.encode(pb.FromAgent(process=pb.Process(key=key, vanished=time_ns)))


def heartbeat(now_ns: int, offset: Offset | None, backlog: int) -> bytes:
    """Still here."""
    beat = pb.Heartbeat(time=now_ns, backlog_bytes=backlog)
    if offset is not None:
        beat.clock_offset_ns, beat.clock_error_ns = offset.offset_ns, offset.error_ns
    return framing.encode(pb.FromAgent(heartbeat=beat))


def goodbye(reason: str, undelivered: int) -> bytes:
    """The node leaves for good."""
    return framing.encode(pb.FromAgent(goodbye=pb.Goodbye(reason=reason, undelivered_bytes=undelivered)))


def resume(message: pb.Resume) -> Resume:
    """The collector's word from where to send."""
    return Resume(message.handle, message.offset, message.crc32, message.round)


def dump_request(message: pb.DumpStacks) -> DumpRequest:
    """What somebody wants to know of the processes here."""
    timeout_s = min(message.timeout_ms / 1000 or TIMEOUT_S, TIMEOUT_S_MAX)
    return DumpRequest(message.request, frozenset(message.processes), message.native, message.gently, timeout_s)


def remembered(message: pb.KnownSegment) -> Remembered:
    """A segment as the collector knows it."""
    stream, evidence = message.stream, message.evidence
    role = pb.Role.Name(stream.role).removeprefix("ROLE_").lower()
    return Remembered(
        stream=StreamName(role, stream.process, stream.name),
        segment=message.segment,
        path=evidence.path,
        identity=Identity(evidence.device, evidence.inode, evidence.birth_ns),
        offset=message.offset,
        crc=message.crc32,
        tail_length=message.tail_length,
        tail_crc=message.tail_crc32,
        closed=message.closed,
        snapshot=message.snapshot,
    )
