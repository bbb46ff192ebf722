"""TensorBoard's event files to points: blocks of whole records, and what they say."""

from __future__ import annotations

from collections.abc import Iterator

from ranklog_collector.core.event_files import image_path
from ranklog_collector.core.point_values import KINDS, SCALAR
from ranklog_collector.core.points import Fact, Names, Parsed
from ranklog_collector.core.tf_records import HEADER_BYTES, RECORD_BYTES_MAX, records, size_at, whole
from ranklog_collector.reading.events import Event, Image, NonsenseError, decode
from ranklog_collector.series.blocks import BLOCK_BYTES, Block, Read

_IMAGE = KINDS["image"]


def record_blocks(read: Read, begin: int, end: int) -> Iterator[Block]:
    """Read whole records from `begin`, the start of one, up to `end`; one that is not there as a whole is left.

    Where no record begins that can be told, the last block is an empty one: what follows is never read.
    """
    while begin < end:
        data = read(begin, min(BLOCK_BYTES, end - begin))
        length, is_record = whole(data)
        if length:
            yield Block(begin, begin + length, data[:length])
            begin += length
        elif not is_record:
            yield Block(begin, begin, b"")
            return
        else:
            size = size_at(data[:HEADER_BYTES], 0)
            if size is None or begin + size > end:
                return
            yield Block(begin, begin + size, read(begin, size) if size <= RECORD_BYTES_MAX else b"")
            begin += size


def parse_records(data: bytes, offset: int, names: Names, file: str, label: str) -> Parsed:
    """Read whole records, the first of which is at `offset` of the event file; keys begin with the label, if any."""
    parsed = Parsed()
    for at, record in records(data):
        try:
            event = decode(record) if record is not None else None
        except NonsenseError:
            event = None
        if event is None:
            parsed.damaged += 1
        else:
            _take(event, offset + at, names, parsed, file, f"{label}/" if label else "")
    return parsed


def _take(event: Event, at: int, names: Names, parsed: Parsed, file: str, prefix: str) -> None:
    rows = parsed.rows
    for place, (tag, value) in enumerate(event.values):
        number = names.number("", prefix + tag)
        rows.names.append(number)
        rows.kinds.append(_IMAGE if isinstance(value, Image) else SCALAR)
        rows.times.append(event.time_ns)
        rows.at.append(at)
        rows.places.append(place)
        rows.steps.append(event.step)
        rows.values.append(image_path(file, at, place, value.suffix) if isinstance(value, Image) else value)
        if tag in event.descriptions:
            names.descriptions[number] = event.descriptions[tag]
    parsed.facts += [Fact("", "param", name, text, event.time_ns, at) for name, text in event.params.items()]
