"""A file to which output is appended, come what may of the disk."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PENDING_MIB_MAX = 16
PENDING_BYTES_MAX = PENDING_MIB_MAX << 20
WRITE_BYTES_MAX = 1 << 20
RETRY_S = 0.2


class Tape:
    """Append-only file. What it cannot take waits in memory up to a limit, and is dropped beyond it.

    Raises OSError if it cannot be made, and never after that: `warn` is told once.
    """

    def __init__(self, path: str, warn: "Callable[[str], None]") -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.position = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        """A descriptor whose position in the file says how much of it was handed on; never read from."""
        self._pending = bytearray()
        self._recent = b""
        self.written = 0
        """Bytes in the file."""
        self.lost = 0
        """Bytes dropped."""
        self.retry_s: float | None = None
        """When to try again to write what waits (monotonic clock)."""
        self.path = path
        self._warn: Callable[[str], None] | None = warn

    def descriptors(self) -> list[int]:
        """All that it has open."""
        return [self._file, self.position]

    @property
    def size(self) -> int:
        """Bytes in the file or waiting to get there."""
        return self.written + len(self._pending)

    def append(self, data: bytes, now_s: float) -> None:
        """Take output, at once."""
        if not self._pending:
            taken = self._write(data)
            if taken == len(data):
                self._recent = data
                return
            self.retry_s = now_s + RETRY_S
            data = data[taken:]
        kept = data[: PENDING_BYTES_MAX - len(self._pending)]
        self._pending += kept
        self.lost += len(data) - len(kept)

    def retry(self, now_s: float) -> None:
        """Try to write what waits."""
        while self._pending:
            taken = self._write(bytes(self._pending[:WRITE_BYTES_MAX]))
            del self._pending[:taken]
            if not taken:
                break
        self.retry_s = now_s + RETRY_S if self._pending else None

    def catch_up(self) -> None:
        """Take note of what another process has written to the file."""
        self._recent = b""
        self.written = os.fstat(self._file).st_size

    def give_up(self) -> None:
        """Drop what waits: the process is about to leave."""
        self.lost += len(self._pending)
        self._pending.clear()
        self.retry_s = None

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from an offset on; empty at the end, or if somebody has cut the file."""
        if offset >= self.written:
            start = offset - self.written
            return bytes(self._pending[start : start + count])
        recent = offset - (self.written - len(self._recent))
        if recent >= 0:
            return self._recent[recent : recent + count]
        try:
            return os.pread(self._file, min(count, self.written - offset), offset)
        except OSError:
            return b""

    def _write(self, data: bytes) -> int:
        self._recent = b""
        taken = 0
        try:
            while taken < len(data):
                count = os.write(self._file, data[taken:] if taken else data)
                taken += count
                self.written += count
        except OSError as error:
            if self._warn is not None:
                self._warn(f"{self.path}: {error.strerror}; output waits in memory, up to {PENDING_MIB_MAX} MiB")
                self._warn = None
        return taken
