"""What comes from the wire, checked: nothing that cannot be gets past this."""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass

import orjson

from ranklog.spool import RECORD_BYTES_MAX
from ranklog_collector.core import journal
from ranklog_collector.core.layout import StreamKey
from ranklog_collector.errors import Refusal, RefusedError
from ranklog_proto import PROTOCOL_VERSION
from ranklog_proto.v1 import ingest_pb2 as pb

NODE_LENGTH_MAX = 200
NAME_LENGTH_MAX = 4096
SIZE_MAX = 1 << 62

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_SEGMENT = re.compile(r"[0-9a-f]{16}")
_ROLES = {value: name.removeprefix("ROLE_").lower() for name, value in pb.Role.items() if value}


@dataclass(frozen=True, slots=True)
class Greeting:
    """A Hello that can be answered."""

    run_id: str
    experiment: str
    """Empty if the agent does not care."""
    node_id: str
    node_ip: str
    hostname: str
    epoch: int
    version: str
    is_cold: bool


def greeting(message: pb.FromAgent, token: str | None) -> Greeting:
    """The first message of a session. Raises RefusedError."""
    if message.WhichOneof("kind") != "hello":
        raise RefusedError(Refusal.INVALID_ARGUMENT, "the first message must be Hello")
    hello = message.hello
    if hello.protocol != PROTOCOL_VERSION:
        told = (
            f"this collector speaks protocol {PROTOCOL_VERSION}, the agent {hello.protocol}: use one version of ranklog"
        )
        raise RefusedError(Refusal.FAILED_PRECONDITION, told)
    if token is not None and not hmac.compare_digest(hello.token.encode(), token.encode()):
        raise RefusedError(
            Refusal.UNAUTHENTICATED, "the token is missing or wrong: give the agent the collector's token"
        )
    return Greeting(
        run_id=_matching(_ID, hello.run_id, "run id"),
        experiment=_matching(_ID, hello.experiment, "experiment") if hello.experiment else "",
        node_id=_printable(hello.node_id, "node id"),
        node_ip=_address(hello.node_ip),
        hostname=_printable(hello.hostname or hello.node_id, "host name"),
        epoch=hello.epoch,
        version=hello.version[:NODE_LENGTH_MAX],
        is_cold=hello.cold,
    )


def opened(node_id: str, message: pb.Open) -> tuple[StreamKey, str]:
    """A stream's identity and its segment's id. Raises RefusedError."""
    role = _ROLES.get(message.stream.role)
    if role is None:
        raise RefusedError(Refusal.INVALID_ARGUMENT, f"no stream has role {message.stream.role}")
    process = _matching(_KEY, message.stream.process, "process key") if message.stream.process else ""
    if len(message.stream.name) > NAME_LENGTH_MAX or len(message.evidence.path) > NAME_LENGTH_MAX:
        raise RefusedError(Refusal.INVALID_ARGUMENT, f"a name is longer than {NAME_LENGTH_MAX} letters")
    key = StreamKey(node_id, role, process, message.stream.name, message.snapshot)
    return key, _matching(_SEGMENT, message.segment, "segment id")


def role_name(role: str) -> str:
    """A role as the wire has it."""
    return f"ROLE_{role.upper()}"


def fact(message: pb.Process) -> tuple[str, str, journal.Record]:
    """A process's key, what happened, and the record of it. Raises RefusedError."""
    key = _matching(_KEY, message.key, "process key")
    kind = message.WhichOneof("fact")
    if kind == "vanished":
        return key, kind, {"end_ns": message.vanished}
    if kind == "started":
        return key, kind, _record(message.started)
    if kind == "exited":
        return key, kind, _record(message.exited)
    raise RefusedError(Refusal.INVALID_ARGUMENT, f"nothing is told of process {key}")


def sightings(chunk: pb.Chunk) -> list[tuple[int, int]]:
    """When the source was seen to hold how much. Raises RefusedError for a chunk that cannot be."""
    end = chunk.offset + chunk.length
    seen = [(one.end, one.time) for one in chunk.seen]
    if end > SIZE_MAX or any(one > end for one, _ in seen):
        raise RefusedError(Refusal.INVALID_ARGUMENT, f"a chunk ends at {end} and was seen beyond that")
    return seen


def size(value: int) -> int:
    """A size or an offset. Raises RefusedError."""
    if value > SIZE_MAX:
        raise RefusedError(Refusal.INVALID_ARGUMENT, f"no file has {value} bytes")
    return value


def _record(data: bytes) -> journal.Record:
    if len(data) > RECORD_BYTES_MAX:
        raise RefusedError(Refusal.RESOURCE_EXHAUSTED, f"a process record has more than {RECORD_BYTES_MAX} bytes")
    try:
        record = orjson.loads(data)
        orjson.dumps(record)  # less deeply nested than what may be read
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise RefusedError(Refusal.INVALID_ARGUMENT, f"a process record is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise RefusedError(Refusal.INVALID_ARGUMENT, "a process record is not a JSON object")
    return record


def _matching(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise RefusedError(Refusal.INVALID_ARGUMENT, f"{value[:200]!r} is no {what}: it must match {pattern.pattern}")
    return value


def _printable(value: str, what: str) -> str:
    if not value or len(value) > NODE_LENGTH_MAX or not value.isprintable():
        problem = f"{value[:200]!r} is no {what}: 1 to {NODE_LENGTH_MAX} printable letters"
        raise RefusedError(Refusal.INVALID_ARGUMENT, problem)
    return value


def _address(value: str) -> str:
    try:
        # A scope (fe80::1%eth0) means something on one machine only.
        return str(ipaddress.ip_address(value.partition("%")[0]))
    except ValueError:
        raise RefusedError(Refusal.INVALID_ARGUMENT, f"{value[:200]!r} is no IP address of a node") from None
