"""What was read and is not written yet, where it outlives its reader."""

import os
from mmap import mmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PLACE_BYTES = 8
EMPTY = b"\xff"
"""What the memory is full of where nothing was read into it: text never ends with it."""


class Hand:
    """Memory that `ranklog exec` shares with its heir, and into which the kernel itself puts what is read.

    Who is killed in the very call that reads has taken the bytes from the terminal and can tell nobody. They are here
    then, behind the sizes that the files had before. How many they are is seen by what the memory was full of, so that
    bytes of that value at their very end are not.
    """

    def __init__(self, size: int, files: int) -> None:
        self._start = PLACE_BYTES * files
        self._size = size
        self._memory = mmap(-1, self._start + size)
        self._memory[self._start :] = EMPTY * size
        self._free = memoryview(self._memory)[self._start :]
        self._filled = 0

    @property
    def room(self) -> int:
        """How many bytes more it can hold."""
        return self._size - self._filled

    def open(self, sizes: "Sequence[int]") -> None:
        """Begin to read what will come behind so many bytes of each file."""
        places = b"".join([size.to_bytes(PLACE_BYTES, "little") for size in sizes])
        self._memory[: self._start] = places

    def take(self, number: int) -> int:
        """Read once, and tell how much that was. Raises OSError as reading does."""
        count = os.readv(number, [self._free[self._filled :]])
        self._filled += count
        return count

    def content(self) -> bytes:
        """All that was read since it was emptied."""
        return bytes(self._free[: self._filled])

    def empty(self) -> None:
        """What was read is in the files."""
        self._free[: self._filled] = EMPTY * self._filled
        self._filled = 0

    def left(self, index: int, size: int) -> bytes:
        """What a reader that was killed has left for a file, which holds so many bytes by now."""
        place = int.from_bytes(self._memory[PLACE_BYTES * index : PLACE_BYTES * (index + 1)], "little")
        return bytes(self._free).rstrip(EMPTY)[max(0, size - place) :]
