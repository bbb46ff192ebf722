"""What a record of TensorBoard's event files says: scalars, images, texts and hyperparameters.

Histograms, audio, graphs and what other plugins write are left to TensorBoard.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from ranklog_collector.core import tensors
from ranklog_proto.v1 import tfevents_pb2 as pb

Number = float | int | bool
_TIME_S_MAX = 9.2e9
"""Later times have no nanoseconds in 64 bits."""
_MAGIC = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}
_SIZES = 2
"""Before the images of a tensor stand their width and their height."""


class NonsenseError(Exception):
    """The bytes are no event."""


@dataclass(frozen=True, slots=True)
class Image:
    """An encoded image; `suffix` is that of a file of its kind."""

    data: bytes
    suffix: str


@dataclass(frozen=True, slots=True)
class Event:
    """What was said at one moment."""

    time_ns: int
    step: int
    values: list[tuple[str, Number | str | Image]] = field(default_factory=list)
    """Tags and what they have; a tag that has several images is there for each."""
    params: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    """Of tags."""


def decode(record: bytes) -> Event:
    """Read a record. Raises NonsenseError."""
    try:
        message = pb.Event.FromString(record)
    except DecodeError as error:
        raise NonsenseError(str(error)) from error
    if not 0 <= message.wall_time <= _TIME_S_MAX:
        raise NonsenseError("the event has no time")
    event = Event(round(message.wall_time * 1e9), message.step)
    for value in message.summary.value:
        for one in _values(value):
            event.values.append((value.tag, one))
            if value.metadata.summary_description:
                event.descriptions[value.tag] = value.metadata.summary_description
        if value.metadata.plugin_data.plugin_name == "hparams":
            event.params.update(_params(value.metadata.plugin_data.content))
    return event


def _values(value: pb.Summary.Value) -> Iterator[Number | str | Image]:
    kind, plugin = value.WhichOneof("value"), value.metadata.plugin_data.plugin_name
    if kind == "simple_value":
        yield value.simple_value
    elif kind == "image":
        yield _image(value.image.encoded_image_string)
    elif kind == "tensor" and plugin in ("", "scalars") and value.tensor.dtype != tensors.STRING:
        number = _number(value.tensor)
        if number is not None:
            yield number
    elif kind == "tensor" and plugin == "images":
        yield from map(_image, value.tensor.string_val[_SIZES:])
    elif kind == "tensor" and plugin == "text" and value.tensor.string_val:
        yield "\n".join(text.decode(errors="replace") for text in value.tensor.string_val)


def _number(tensor: pb.Tensor) -> Number | None:
    """The number of a tensor that has exactly one."""
    if math.prod(one.size for one in tensor.tensor_shape.dim) != 1:
        return None
    if tensor.tensor_content:
        return tensors.from_bytes(tensor.dtype, tensor.tensor_content)
    if tensor.dtype in (tensors.HALF, tensors.BFLOAT16):
        return tensors.from_half(tensor.dtype, tensor.half_val[0]) if len(tensor.half_val) == 1 else None
    fields = (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val, tensor.bool_val)
    found: list[Number] = [number for one in (*fields, tensor.uint32_val, tensor.uint64_val) for number in one[:2]]
    return found[0] if len(found) == 1 else None


def _image(data: bytes) -> Image:
    suffix = next((suffix for magic, suffix in _MAGIC.items() if data.startswith(magic)), "bin")
    return Image(data, suffix)


def _params(content: bytes) -> dict[str, str]:
    try:
        start = pb.Hparams.FromString(content).session_start_info
    except DecodeError:
        return {}
    found = {name: (value.WhichOneof("kind"), value) for name, value in start.hparams.items()}
    return {name: _text(getattr(value, kind)) for name, (kind, value) in found.items() if kind is not None}


def _text(value: float | str | bool) -> str:
    """A parameter as text: a whole number without its fraction, since it was an integer as a rule."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)
