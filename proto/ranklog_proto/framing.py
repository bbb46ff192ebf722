"""Moves a message's payload between wire and memory without the copies that a protobuf bytes field costs.

The bytes on the wire are an ordinary protobuf message whose field `payload` comes first; any implementation reads them.
"""

from __future__ import annotations

from ranklog_proto.v1.ingest_pb2 import FromAgent

_PAYLOAD_TAG = FromAgent.DESCRIPTOR.fields_by_name["payload"].number << 3 | 2


def encode(message: FromAgent, payload: bytes = b"") -> bytes:
    """Serialise a message whose payload field is unset, with the payload given beside it."""
    if not payload:
        return message.SerializeToString()
    return b"".join((bytes((_PAYLOAD_TAG,)), _varint(len(payload)), payload, message.SerializeToString()))


def decode(data: bytes) -> tuple[FromAgent, memoryview]:
    """Parse a message; its payload is returned as a view into `data` when it comes first.

    Raises google.protobuf.message.DecodeError on malformed input.
    """
    if not data or data[0] != _PAYLOAD_TAG:
        message = FromAgent.FromString(data)
        return message, memoryview(message.payload)
    length, start = _read_varint(data, 1)
    end = start + length
    if end > len(data):
        # Truncated: let protobuf say so in its own words.
        return FromAgent.FromString(data), memoryview(b"")
    view = memoryview(data)
    return FromAgent.FromString(view[end:].tobytes()), view[start:end]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, start: int) -> tuple[int, int]:
    value = shift = 0
    for index in range(start, min(start + 10, len(data))):
        value |= (data[index] & 0x7F) << shift
        if data[index] < 0x80:
            return value, index + 1
        shift += 7
    return len(data) + 1, start
