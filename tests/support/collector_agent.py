"""An agent of the tests' own: speaks the wire to a collector by hand, or ships contents by the rules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from zlib import crc32

import grpc
import grpc.aio

from ranklog_proto import PROTOCOL_VERSION
from ranklog_proto.framing import encode
from ranklog_proto.v1 import ingest_pb2 as pb

TIMEOUT_S = 20.0
MESSAGE_BYTES = 1 << 20
RECONNECT_S = 0.02
OPTIONS = [
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.http2.write_buffer_size", 1 << 20),
    ("grpc.http2.max_frame_size", (1 << 24) - 1),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
]


def hello(**fields: object) -> pb.Hello:
    """A Hello that a collector accepts, but for what is given."""
    values: dict[str, object] = {
        "protocol": PROTOCOL_VERSION,
        "run_id": "r1",
        "node_id": "node0",
        "node_ip": "10.0.0.1",
        "hostname": "node0",
        "epoch": 1,
        "version": "test",
    }
    return pb.Hello(**{**values, **fields})  # type: ignore[arg-type]


def segment_id(number: int, node: str = "node0") -> str:
    """What an agent of the tests mints for its `number`th segment."""
    return f"{crc32(node.encode()):08x}{number:08x}"


class Agent:
    """One session. What the collector says is kept in `said`, and by handle in `resumed`, `acked` and `paused`."""

    def __init__(
        self, address: str, credentials: grpc.ChannelCredentials | None = None, greeting: pb.Hello | None = None
    ) -> None:
        self.said: list[pb.FromCollector] = []
        self.resumed: dict[int, pb.Resume] = {}
        self.resumes: list[pb.Resume] = []
        self.acked: dict[int, pb.Acked] = {}
        self.paused: set[int] = set()
        self.facts: dict[str, pb.ProcessAck] = {}
        self.welcome: pb.Welcome | None = None
        self.farewell: int | None = None
        self.status: grpc.StatusCode | None = None
        self.details = ""
        self.greeting = greeting or hello()
        self._address = address
        self._credentials = credentials
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Agent:
        await self.connect()
        await self.until(lambda: self.welcome is not None or self.status is not None or self.farewell is not None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()

    async def connect(self) -> None:
        if self._credentials is None:
            self._channel = grpc.aio.insecure_channel(self._address, options=OPTIONS)
        else:
            self._channel = grpc.aio.secure_channel(self._address, self._credentials, options=OPTIONS)
        method = self._channel.stream_stream(
            "/ranklog.v1.Ingest/Session", response_deserializer=pb.FromCollector.FromString
        )
        self._call = method()
        self._listening = asyncio.ensure_future(self._listen())
        await self.say(pb.FromAgent(hello=self.greeting))

    async def hang_up(self) -> None:
        """Break the connection without a word."""
        self._call.cancel()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self._channel.close()

    async def say(self, message: pb.FromAgent, payload: bytes = b"") -> None:
        await self.say_bytes(encode(message, payload))

    async def say_bytes(self, data: bytes) -> None:
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await self._call.write(data)

    async def until(self, condition: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
        """Wait for something that the collector says."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(condition), timeout_s)

    async def ended(self) -> grpc.StatusCode:
        """Wait for the collector to end the call."""
        await self.until(lambda: self.status is not None)
        assert self.status is not None
        return self.status

    # ---- words ------------------------------------------------------------------------------------------------------

    async def open(
        self,
        handle: int,
        segment: str = "",
        role: str = "ROLE_LOG",
        name: str = "logs/a.log",
        process: str = "",
        snapshot: bool = False,
    ) -> pb.Resume:
        self.resumed.pop(handle, None)
        stream = pb.Stream(role=role, name=name, process=process)
        opening = pb.Open(
            handle=handle,
            stream=stream,
            segment=segment or segment_id(handle, self.greeting.node_id),
            snapshot=snapshot,
        )
        opening.evidence.path = f"/source/{name}"
        await self.say(pb.FromAgent(open=opening))
        await self.until(lambda: handle in self.resumed or handle in self.paused or self.status is not None)
        return self.resumed.get(handle, pb.Resume())

    async def append(self, handle: int, content: bytes, start: int, end: int, round_: int | None = None) -> None:
        """Send the part of a segment's content from `start` to `end`."""
        await self.append_many([(handle, content, start, end)], round_)

    async def append_many(self, parts: list[tuple[int, bytes, int, int]], round_: int | None = None) -> None:
        chunks = []
        for handle, content, start, end in parts:
            current = self.resumed[handle].round if handle in self.resumed else 0
            chunks.append(
                pb.Chunk(
                    handle=handle,
                    offset=start,
                    length=end - start,
                    crc32=crc32(content[:end]),
                    seen=[pb.Seen(end=end, time=1_700_000_000_000_000_000 + end)],
                    round=current if round_ is None else round_,
                )
            )
        payload = b"".join(content[start:end] for _, content, start, end in parts)
        await self.say(pb.FromAgent(append=pb.Append(chunks=chunks)), payload)

    async def close(self, handle: int, content: bytes) -> None:
        await self.say(pb.FromAgent(close=pb.Close(handle=handle, size=len(content), crc32=crc32(content))))

    async def closed(self, handle: int) -> None:
        await self.until(lambda: handle in self.acked and self.acked[handle].closed)

    async def durable(self, handle: int, size: int) -> None:
        await self.until(lambda: handle in self.acked and self.acked[handle].durable >= size)

    async def received(self, handle: int, size: int) -> None:
        await self.until(lambda: handle in self.acked and self.acked[handle].received >= size)

    async def ship(self, handle: int, content: bytes, step: int = 1000, **stream: str) -> None:
        """Bring a whole segment over, and close it."""
        await self.open(handle, **stream)
        for start in range(0, len(content), step):
            await self.append(handle, content, start, min(start + step, len(content)))
        await self.close(handle, content)
        await self.closed(handle)

    async def process(self, key: str, started: bytes = b"", exited: bytes = b"", vanished: int = 0) -> None:
        fact = pb.Process(key=key)
        if started:
            fact.started = started
        elif exited:
            fact.exited = exited
        else:
            fact.vanished = vanished
        await self.say(pb.FromAgent(process=fact))

    async def heartbeat(self, offset_ns: int = 0, error_ns: int = 0) -> None:
        beat = pb.Heartbeat(time=1, clock_offset_ns=offset_ns, clock_error_ns=error_ns)
        await self.say(pb.FromAgent(heartbeat=beat))

    async def goodbye(self) -> None:
        await self.say(pb.FromAgent(goodbye=pb.Goodbye(reason="ended")))
        await self.ended()

    # ---- what the collector says ------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        try:
            async for message in self._call:
                async with self._news:
                    self._note(message)
                    self._news.notify_all()
        except grpc.aio.AioRpcError:
            pass
        status = await self._call.code()
        async with self._news:
            self.status = status
            self.details = await self._call.details() or ""
            self._news.notify_all()

    def _note(self, message: pb.FromCollector) -> None:
        self.said.append(message)
        kind = message.WhichOneof("kind")
        if kind == "welcome":
            self.welcome = message.welcome
        elif kind == "resume":
            self.resumed[message.resume.handle] = message.resume
            self.resumes.append(message.resume)
            self.paused.discard(message.resume.handle)
        elif kind == "ack":
            self.acked.update({one.handle: one for one in message.ack.segments})
        elif kind == "pause":
            self.paused.update(message.pause.handles)
        elif kind == "process_ack":
            self.facts[message.process_ack.key] = message.process_ack
        elif kind == "farewell":
            self.farewell = message.farewell.reason


async def deliver(address: str, contents: dict[str, bytes], greeting: pb.Hello, window: int = 4 << 20) -> None:
    """Bring whole contents over by the rules, each name's as one segment, over as many connections as it takes."""
    names = dict(enumerate(contents, 1))
    done: set[int] = set()
    while len(done) < len(names):
        agent = Agent(address, greeting=greeting)
        await agent.connect()
        try:
            await _deliver(agent, names, contents, done, window)
        except asyncio.TimeoutError:
            pass
        finally:
            await agent.hang_up()
        assert agent.status is not grpc.StatusCode.INVALID_ARGUMENT, agent.details
        await asyncio.sleep(RECONNECT_S)


async def _deliver(
    agent: Agent, names: dict[int, str], contents: dict[str, bytes], done: set[int], window: int
) -> None:
    await agent.until(lambda: agent.welcome is not None or agent.status is not None)
    sent: dict[int, tuple[int, int]] = {}
    closes: dict[int, int] = {}
    for handle in names.keys() - done:
        stream = pb.Stream(role="ROLE_LOG", name=names[handle])
        segment = segment_id(handle, agent.greeting.node_id)
        await agent.say(pb.FromAgent(open=pb.Open(handle=handle, stream=stream, segment=segment)))
    while len(done) < len(names) and agent.status is None and agent.farewell is None:
        has_sent = False
        for handle, name in names.items():
            resume = agent.resumed.get(handle)
            if resume is None or handle in agent.paused or handle in done:
                continue
            content = contents[name]
            if sent.get(handle, (0, -1))[1] != resume.round:
                sent[handle] = (resume.offset, resume.round)
            position = sent[handle][0]
            received = max(resume.offset, agent.acked[handle].received if handle in agent.acked else 0)
            if position < len(content) and position - received < window:
                end = min(position + MESSAGE_BYTES // 4, len(content))
                await agent.append(handle, content, position, end)
                sent[handle] = (end, resume.round)
                has_sent = True
            elif position == len(content) and closes.get(handle) != resume.round:
                closes[handle] = resume.round
                await agent.close(handle, content)
        done |= {handle for handle, ack in agent.acked.items() if ack.closed}
        if not has_sent:
            count = len(agent.said)
            with suppress(asyncio.TimeoutError):
                await agent.until(lambda count=count: len(agent.said) > count or agent.status is not None, 1.0)
