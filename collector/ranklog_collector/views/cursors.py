"""Where an answer ended, as a text that a client hands back to go on from there.

It holds all that is needed, so that it is good for any process that can read the run, at any later time.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from zlib import crc32

from ranklog_collector.reading.folder import QuestionError
from ranklog_collector.reading.logs import Place

_LOGS, _LIST = 1, 2
"""What a cursor is of: its first number."""
NUMBER_MAX = 1 << 62


def of_logs(run_id: str, places: Mapping[int, Place]) -> str:
    """A cursor into the output of a run."""
    numbers, last = [_LOGS, crc32(run_id.encode())], 0
    for stream, place in sorted(places.items()):
        numbers += [stream - last, place.position, place.rewrites]
        last = stream
    return _packed(numbers)


def logs(run_id: str, cursor: str) -> dict[int, Place]:
    """What `of_logs` was made of. Raises QuestionError if that was another run's, or not that at all."""
    kind, owner, *numbers = _unpacked(cursor)
    if kind != _LOGS or owner != crc32(run_id.encode()) or len(numbers) % 3:
        raise QuestionError("the cursor is none of this run's output")
    places, stream = {}, 0
    for step, position, rewrites in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
        stream += step
        places[stream] = Place(position, rewrites)
    return places


def of_list(time_ns: int, name: str) -> str:
    """A cursor into a list that is ordered by time and name."""
    return _packed([_LIST, time_ns, *name.encode(errors="surrogateescape")])


def of(cursor: str) -> tuple[int, str]:
    """What `of_list` was made of. Raises QuestionError if it is not that."""
    kind, time_ns, *name = _unpacked(cursor)
    if kind != _LIST or any(byte > 255 for byte in name):
        raise QuestionError("the cursor is none of this list")
    return time_ns, bytes(name).decode(errors="surrogateescape")


def _packed(numbers: Iterable[int]) -> str:
    """Seven bits a byte, the highest bit says that more follow."""
    data = bytearray()
    for number in numbers:
        while number > 127:
            data.append(number & 127 | 128)
            number >>= 7  # noqa: PLW2901 - what is left of it
        data.append(number)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unpacked(cursor: str) -> list[int]:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
        if number > NUMBER_MAX:
            break
    if shift or len(numbers) < 2 or max(numbers) > NUMBER_MAX:
        raise QuestionError("the cursor is damaged")
    return numbers
