"""TensorFlow's record files: each record has its length before it, and checksums of both. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import google_crc32c

RECORD_BYTES_MAX = 64 << 20
"""Longer records are skipped."""
_LENGTH = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
HEADER_BYTES = _LENGTH.size
AROUND_BYTES = HEADER_BYTES + _CHECKSUM.size
"""What a record takes beside its data."""
_MASK = 0xA282EAD8


class CutError(Exception):
    """No length stands where a record should begin: what follows cannot be told apart."""


def masked(data: bytes) -> int:
    """The checksum of bytes as these files have it."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def size_at(data: bytes, at: int) -> int | None:
    """How long the record at a place of `data` is as a whole; None if its length is not there as a whole.

    Raises CutError if the length is none.
    """
    if at + HEADER_BYTES > len(data):
        return None
    length, checksum = _LENGTH.unpack_from(data, at)
    if masked(data[at : at + 8]) != checksum:
        raise CutError
    return int(length) + AROUND_BYTES


def whole(data: bytes) -> tuple[int, bool]:
    """How many bytes of `data` are whole records from its beginning on, and whether what follows is a record."""
    end = 0
    try:
        while (size := size_at(data, end)) is not None and end + size <= len(data):
            end += size
    except CutError:
        return end, False
    return end, True


def records(data: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Yield the place and the data of each of whole records; None if they are not what they were."""
    at = 0
    while at < len(data):
        length, _ = _LENGTH.unpack_from(data, at)
        record = data[at + HEADER_BYTES : at + HEADER_BYTES + length]
        (checksum,) = _CHECKSUM.unpack_from(data, at + HEADER_BYTES + length)
        yield at, record if masked(record) == checksum else None
        at += length + AROUND_BYTES
