"""TensorBoard's event files made by hand: records as TensorFlow writes them, and broken ones."""

from __future__ import annotations

import struct
from typing import Any

from ranklog_collector.core.tf_records import masked
from ranklog_proto.v1 import tfevents_pb2 as pb

TIME_S = 1_700_000_000.25
PNG = b"\x89PNG\r\n\x1a\n-not-really-"


def record(data: bytes) -> bytes:
    """Frame a record."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))


def event(*values: pb.Summary.Value, step: int = 0, time_s: float = TIME_S) -> bytes:
    """A record of an event with a summary."""
    return record(pb.Event(wall_time=time_s, step=step, summary=pb.Summary(value=values)).SerializeToString())


def scalar(tag: str, value: float) -> pb.Summary.Value:
    """A scalar in its old form."""
    return pb.Summary.Value(tag=tag, simple_value=value)


def tensor(tag: str, plugin: str = "", shape: tuple[int, ...] = (), **fields: Any) -> pb.Summary.Value:
    """Anything in its new form."""
    dimensions = [pb.Tensor.Shape.Dimension(size=size) for size in shape]
    return pb.Summary.Value(
        tag=tag,
        metadata=pb.Metadata(plugin_data=pb.Metadata.Plugin(plugin_name=plugin)),
        tensor=pb.Tensor(tensor_shape=pb.Tensor.Shape(dim=dimensions), **fields),
    )
