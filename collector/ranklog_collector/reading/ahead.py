"""Several sources worked on ahead, by threads: what they do without the interpreter, they do at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """Takes items out of many sources before they are asked for, at most about `weight_max` of each.

    A source gives lists of items, in which there may be none; between two of them the work may be stopped.
    """

    def __init__(
        self,
        sources: Sequence[Iterator[Sequence[Item]]],
        threads: int,
        weight: Callable[[Item], int],
        weight_max: int,
    ) -> None:
        self._weight = weight
        self._weight_max = weight_max
        self._stopped = Event()
        self._threads = ThreadPoolExecutor(threads, "ahead")
        begun = [self._threads.submit(self._take, source).result for source in sources]
        self.sources = list(map(self._taken, sources, begun))
        """The same items, source by source."""

    def stop(self) -> None:
        """Work no more; what is being worked on is let go within one list."""
        self._stopped.set()
        self._threads.shutdown(cancel_futures=True)

    def _taken(self, source: Iterator[Sequence[Item]], result: Callable[[], list[Item]]) -> Iterator[Item]:
        while items := result():
            yield from items
            result = self._threads.submit(self._take, source).result

    def _take(self, source: Iterator[Sequence[Item]]) -> list[Item]:
        """Take what there is; nothing only at the source's end."""
        found: list[Item] = []
        weight = 0
        for items in source:
            found += items
            weight += sum(map(self._weight, items))
            if weight >= self._weight_max or self._stopped.is_set():
                break
        return found
