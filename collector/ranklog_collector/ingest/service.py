"""The gRPC face: one call is one session. Whatever a peer sends, its call ends with a status and nothing else does."""

from __future__ import annotations

import asyncio
import logging

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from ranklog_collector.config import Limits
from ranklog_collector.errors import Refusal, RefusedError, StoreError
from ranklog_collector.ingest import checked
from ranklog_collector.ingest.run import Run
from ranklog_collector.ingest.runs import Runs
from ranklog_collector.ingest.session import Session
from ranklog_proto import PROTOCOL_VERSION
from ranklog_proto.framing import decode
from ranklog_proto.v1 import ingest_pb2 as pb

HELLO_TIMEOUT_S = 10.0
Context = grpc.aio.ServicerContext[bytes, pb.FromCollector]

log = logging.getLogger("ranklog.collector")


class IngestService:
    """Answers `/ranklog.v1.Ingest/Session`."""

    def __init__(self, runs: Runs, token: str | None, limits: Limits) -> None:
        self._runs = runs
        self._token = token
        self._limits = limits

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server has to be given. Messages are decoded here, so that a bad one is answered here."""
        session: grpc.RpcMethodHandler[bytes, pb.FromCollector] = grpc.stream_stream_rpc_method_handler(
            self.session, response_serializer=pb.FromCollector.SerializeToString
        )
        return grpc.method_handlers_generic_handler("ranklog.v1.Ingest", {"Session": session})

    async def session(self, _: object, context: Context) -> None:
        """One agent's call, from Hello to its end."""
        try:
            await self._session(context)
        except RefusedError as error:
            self._runs.counters.sessions_refused += 1
            log.warning("refused %s: %s", context.peer(), error)
            await context.abort(grpc.StatusCode[error.refusal.name], str(error))
        except StoreError as error:
            log.warning("sent %s away: %s", context.peer(), error)
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

    async def _session(self, context: Context) -> None:
        if self._runs.sessions >= self._limits.sessions_max:
            raise RefusedError(Refusal.RESOURCE_EXHAUSTED, f"{self._limits.sessions_max} agents are connected already")
        greeting = checked.greeting(await _first_message(context), self._token)
        run = await self._runs.get(greeting.run_id, greeting.experiment)
        session = Session(run, greeting.node_id, self._limits.window_bytes(self._runs.sessions + 1))
        if not run.join(greeting, session):
            await context.write(pb.FromCollector(farewell=pb.Farewell(reason=pb.Farewell.FENCED)))
            return
        self._runs.counters.sessions += 1
        try:
            await context.write(self._welcome(run, session))
            if greeting.is_cold:
                async for known in session.known():
                    await context.write(pb.FromCollector(known=known))
            await _both_ways(session, context)
        finally:
            session.end()

    def _welcome(self, run: Run, session: Session) -> pb.FromCollector:
        welcome = pb.Welcome(
            protocol=PROTOCOL_VERSION,
            message_bytes_max=self._limits.message_bytes_max,
            window_bytes=session.window_bytes,
            streams_max=self._limits.streams_max,
            run_folder=run.folder,
        )
        return pb.FromCollector(welcome=welcome)


async def _first_message(context: Context) -> pb.FromAgent:
    try:
        data = await asyncio.wait_for(_read(context), HELLO_TIMEOUT_S)
    except asyncio.TimeoutError:
        raise RefusedError(Refusal.INVALID_ARGUMENT, f"no Hello within {HELLO_TIMEOUT_S:.0f} s") from None
    if data is None:
        raise RefusedError(Refusal.INVALID_ARGUMENT, "the call ended without a Hello")
    return _decoded(data)[0]


async def _both_ways(session: Session, context: Context) -> None:
    """Listen and speak until either is over."""
    listening = asyncio.ensure_future(_listen(session, context))
    speaking = asyncio.ensure_future(_speak(session, context))
    try:
        await asyncio.wait((listening, speaking), return_when=asyncio.FIRST_COMPLETED)
    finally:
        listening.cancel()
        speaking.cancel()
        heard, said = await asyncio.gather(listening, speaking, return_exceptions=True)
    for result in (heard, said):
        if isinstance(result, Exception):
            raise result


async def _listen(session: Session, context: Context) -> None:
    while True:
        data = await _read(context)
        if data is None or not session.receive(*_decoded(data)):
            return
        await session.room()


async def _speak(session: Session, context: Context) -> None:
    while not session.outbox.is_over:
        for message in await session.outbox.news():
            await context.write(message)


async def _read(context: Context) -> bytes | None:
    """The next message, None after the last."""
    data: object = await context.read()
    return data if isinstance(data, bytes) else None


def _decoded(data: bytes) -> tuple[pb.FromAgent, memoryview]:
    try:
        return decode(data)
    except DecodeError as error:
        raise RefusedError(Refusal.INVALID_ARGUMENT, f"a message cannot be read: {error}") from None
