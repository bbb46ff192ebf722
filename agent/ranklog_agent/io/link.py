"""One connection to the collector: a bidirectional stream of messages that are bytes on our side already."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio

from ranklog_agent.config import Config, Tls
from ranklog_agent.errors import CollectorRefusedError
from ranklog_proto import PROTOCOL_VERSION, framing
from ranklog_proto.v1 import ingest_pb2 as pb

METHOD = "/ranklog.v1.Ingest/Session"
CONNECT_TIMEOUT_S = 5.0
OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_send_message_length", 16 << 20),
    ("grpc.max_receive_message_length", 16 << 20),
    # Large frames and look-ahead: most of what gRPC costs is per frame and per wake-up.
    ("grpc.http2.max_frame_size", (1 << 24) - 1),
    ("grpc.http2.write_buffer_size", 1 << 20),
    # A peer that died without a word is noticed by pings.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Reconnecting is the agent's own business, with its own backoff.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
FINAL = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
}
"""Refusals that another attempt will not change."""

Call = grpc.aio.StreamStreamCall[bytes, pb.FromCollector]


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Call]:
    """Open a session's stream. Raises grpc.aio.AioRpcError or TimeoutError if the collector is not there."""
    channel = _channel(config)
    try:
        await asyncio.wait_for(channel.channel_ready(), CONNECT_TIMEOUT_S)
        call: Call = channel.stream_stream(
            METHOD, request_serializer=_as_is, response_deserializer=pb.FromCollector.FromString
        )()
        try:
            yield call
        finally:
            call.cancel()
    finally:
        await channel.close(None)


def hello(config: Config, node_ip: str, epoch: int, cold: bool, version: str) -> bytes:
    """The first message of a session."""
    return framing.encode(
        pb.FromAgent(
            hello=pb.Hello(
                protocol=PROTOCOL_VERSION,
                token=config.token,
                run_id=config.run_id,
                experiment=config.experiment,
                node_id=config.node_id,
                node_ip=node_ip,
                hostname=config.hostname,
                epoch=epoch,
                cold=cold,
                version=version,
                pid=os.getpid(),
            )
        )
    )


async def raise_status(call: Call) -> None:
    """Raise how a call has ended, unless that is well."""
    code = await call.code()
    if code is not grpc.StatusCode.OK:
        details = await call.details() or code.name.lower()
        raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)


def refuse_if_final(error: grpc.aio.AioRpcError) -> None:
    """Raise CollectorRefusedError if trying again is of no use."""
    if error.code() in FINAL:
        raise CollectorRefusedError(f"the collector refuses this agent: {error.details()}")


def address_towards(collector: str) -> str | None:
    """Our address on the way to the collector; None if there is no way now."""
    if collector.startswith("unix:"):
        return "127.0.0.1"
    host, _, port = collector.rpartition(":")
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # Connecting a datagram socket sends nothing; it only makes the system choose a route.
            probe.connect(target)
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _channel(config: Config) -> grpc.aio.Channel:
    if config.tls is None:
        return grpc.aio.insecure_channel(config.collector, options=OPTIONS)
    return grpc.aio.secure_channel(config.collector, _credentials(config.tls), options=OPTIONS)


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    def pem(path: str | None) -> bytes | None:
        if path is None:
            return None
        with open(path, "rb") as file:
            return file.read()

    return grpc.ssl_channel_credentials(pem(tls.ca), pem(tls.key), pem(tls.certificate))


def _as_is(message: bytes) -> bytes:
    return message
