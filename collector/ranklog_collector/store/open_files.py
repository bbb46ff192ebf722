"""Descriptors of recently used files, a bounded number over all run folders."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

Key = tuple[str, str]


@dataclass(slots=True)
class _Held:
    descriptor: int
    users: int = 0
    doomed: bool = False


class OpenFiles:
    """Keeps at most `limit` unused descriptors open, the most recently used ones. Safe to use from many threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def use(self, key: Key, open_file: Callable[[], int]) -> Iterator[int]:
        """Hold the file's descriptor open for the length of the block; `open_file` makes one where none is kept."""
        held = self._take(key)
        if held is None:
            held = self._keep(key, open_file())
        try:
            yield held.descriptor
        finally:
            self._give_back(held)

    def forget(self, *keys: Key) -> None:
        """The files' names have changed their meaning: close what was opened by them."""
        with self._lock:
            gone = [self._held.pop(key) for key in keys if key in self._held]
            for held in gone:
                held.doomed = True
            closing = [held.descriptor for held in gone if not held.users]
        _close(closing)

    def forget_root(self, root: str) -> None:
        """Close everything below one root."""
        with self._lock:
            keys = [key for key in self._held if key[0] == root]
        self.forget(*keys)

    def _take(self, key: Key) -> _Held | None:
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                held.users += 1
                self._held.move_to_end(key)
            return held

    def _keep(self, key: Key, descriptor: int) -> _Held:
        with self._lock:
            held = self._held.get(key)
            spare = [descriptor] if held is not None else []
            if held is None:
                held = self._held[key] = _Held(descriptor)
            held.users += 1
            self._held.move_to_end(key)
            spare += self._evict()
        _close(spare)
        return held

    def _give_back(self, held: _Held) -> None:
        with self._lock:
            held.users -= 1
            is_last = held.doomed and not held.users
        if is_last:
            _close([held.descriptor])

    def _evict(self) -> list[int]:
        excess = max(0, len(self._held) - self._limit)
        oldest = list(islice((key for key, held in self._held.items() if not held.users), excess))
        return [self._held.pop(key).descriptor for key in oldest]


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
