"""What the benches write: numbered lines of 100 bytes, each file's the same in every run."""

from __future__ import annotations

import random

LINE_BYTES = 100
LINES_PER_BLOCK = 10_000
_NUMBER_BYTES = 11
_TAILS = [
    b"%0*x\n" % (LINE_BYTES - _NUMBER_BYTES - 1, random.Random(seed).getrandbits(4 * (LINE_BYTES - _NUMBER_BYTES - 1)))
    for seed in range(997)
]
"""Different enough that nothing which compresses on the way has it easy."""


def line(number: int) -> bytes:
    """One line."""
    return b"%010d %b" % (number, _TAILS[number % len(_TAILS)])


def block(first: int, count: int) -> bytes:
    """Lines, one after another."""
    return b"".join([line(number) for number in range(first, first + count)])


def write_file(path: str, size: int) -> int:
    """Make a file of at most so many bytes, in whole lines; returns its size."""
    count = max(size // LINE_BYTES, 1)
    with open(path, "wb") as file:
        file.writelines(block(first, min(LINES_PER_BLOCK, count - first)) for first in range(0, count, LINES_PER_BLOCK))
    return count * LINE_BYTES


def count_lines(path: str) -> int:
    """How many lines a file has."""
    with open(path, "rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
