"""A run folder in memory, whose disk can be made full, broken or slow, and can lose its power."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ranklog_collector.errors import StoreError, StoreFullError


class MemoryStore:
    """Keeps files as byte arrays, and of each what a power cut would leave."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}
        self.durable: dict[str, bytes] = {}
        self.room: int | None = None
        """How many more bytes may be written; None for no limit."""
        self.sync_error: StoreError | None = None
        self._lock = threading.RLock()

    def append(self, path: str, offset: int, *data: bytes | memoryview) -> None:
        with self._lock:
            file = self.files.setdefault(path, bytearray())
            for part in data:
                taken = part if self.room is None else part[: self.room]
                file.extend(bytes(max(0, offset - len(file))))
                file[offset : offset + len(taken)] = taken
                offset += len(taken)
                if self.room is not None:
                    self.room -= len(taken)
                if len(taken) < len(part):
                    raise StoreFullError(f"cannot write {path}: No space left on device")

    def sync(self, paths: Iterable[str]) -> None:
        if self.sync_error is not None:
            raise self.sync_error
        with self._lock:
            for path in paths:
                self.durable[path] = bytes(self.files[path])

    def truncate(self, path: str, size: int) -> None:
        with self._lock:
            if path in self.files:
                freed = len(self.files[path]) - size
                del self.files[path][size:]
                if self.room is not None and freed > 0:
                    self.room += freed

    def rename(self, source: str, target: str) -> bool:
        with self._lock:
            if source not in self.files:
                return False
            self.files[target] = self.files.pop(source)
            if source in self.durable:
                self.durable[target] = self.durable.pop(source)
            return True

    def put(self, path: str, data: bytes) -> None:
        with self._lock:
            if self.room is not None and len(data) > self.room:
                raise StoreFullError(f"cannot write {path}: No space left on device")
            self.files[path] = bytearray(data)
            self.durable[path] = data

    def size(self, path: str) -> int | None:
        file = self.files.get(path)
        return None if file is None else len(file)

    def read(self, path: str, offset: int, length: int) -> bytes:
        return bytes(self.files.get(path, b"")[offset : offset + length])

    def list(self, folder: str = "") -> list[str]:
        return sorted(path for path in self.files if not folder or path.startswith(folder + "/"))

    def remove(self, path: str) -> None:
        self.files.pop(path, None)
        self.durable.pop(path, None)

    def lock(self) -> None:
        pass

    def close(self) -> None:
        pass

    def after_crash(self, lost_power: bool) -> MemoryStore:
        """What another process finds: all that was written, or without power only what was synced."""
        found = MemoryStore()
        with self._lock:
            found.durable = dict(self.durable)
            files = self.durable if lost_power else self.files
            found.files = {path: bytearray(data) for path, data in files.items()}
        return found
