"""Numbers as TensorFlow writes them down: as bytes, or as repeated fields. Pure."""

from __future__ import annotations

import struct

HALF, BFLOAT16 = 19, 14
TYPES = {
    1: "<f",
    2: "<d",
    3: "<i",
    4: "<B",
    5: "<h",
    6: "<b",
    9: "<q",
    10: "<?",
    BFLOAT16: "<H",
    17: "<H",
    HALF: "<e",
    22: "<I",
    23: "<Q",
}
"""How the bytes of a number are to be read, by the number of its type."""
STRING = 7


def from_bytes(dtype: int, content: bytes) -> float | int | bool | None:
    """Read the only number that there is; None if there is another count, or if it is none that has an order."""
    form = TYPES.get(dtype)
    if form is None or len(content) != struct.calcsize(form):
        return None
    (number,) = struct.unpack(form, content)
    return widened(number) if dtype == BFLOAT16 else number


def from_half(dtype: int, bits: int) -> float | None:
    """Read a number of 16 bits; None if they are more."""
    if not 0 <= bits <= 0xFFFF:
        return None
    if dtype == BFLOAT16:
        return widened(bits)
    return float(struct.unpack("<e", struct.pack("<H", bits))[0])


def widened(bits: int) -> float:
    """A bfloat16 is the first half of a float."""
    return float(struct.unpack("<f", struct.pack("<I", bits << 16))[0])
