"""Server-sent events: what changes in a run, told to everybody who watches it.

One watch a run looks at the run's journal, however many clients there are; it begins with the first one and ends with
the last one. A client that is slow gets several changes as one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ranklog_collector.http.sending import gone
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.views.changes import KINDS, Change, Look, data, difference, look, merged
from ranklog_collector.views.shapes import Json

POLL_S = 0.25
GATHER_S = 0.25
"""How long a client waits after news for more of it."""
HEARTBEAT_S = 10.0
REMEMBERED = 512
"""Changes that are kept for those who come back."""
_DIGITS_MAX = 19


class Watch:
    """Looks at one run again and again. `run` is its life."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.seen = look(folder)
        self.is_over = self.seen.has_ended
        self._start = self.seen.position
        self._changes: deque[tuple[int, Change]] = deque(maxlen=REMEMBERED)
        """With the position of the journal behind each."""
        self._count = 0
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Look until the run has ended or its folder is gone."""
        while not self.is_over:
            await asyncio.sleep(POLL_S)
            try:
                after, change = await run_in_threadpool(self._look)
            except ReadingError:
                after, change = self.seen, {}
                self.is_over = True
            async with self._news:
                if change:
                    self._remember(after.position, change)
                self.seen = after
                self.is_over = self.is_over or after.has_ended
                self._news.notify_all()

    def number_at(self, position: int) -> int | None:
        """The number of the last change that is told at a position of the journal; None if that is not known."""
        if not self._start <= position <= self.seen.position:
            return None
        return self._count - sum(after > position for after, _ in self._changes)

    async def since(self, number: int | None) -> tuple[int, Change | None]:
        """Wait for changes behind that of a number: the number of the last one, and all of them as one.

        None if they are not remembered; an empty change if nothing happens for a while.
        """
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._await_news(number), HEARTBEAT_S)
        if number is None or self._count - number > len(self._changes):
            return self._count, None
        changes = list(self._changes)[len(self._changes) - self._count + number :]
        return self._count, merged([change for _, change in changes])

    async def _await_news(self, number: int | None) -> None:
        async with self._news:
            await self._news.wait_for(lambda: self.is_over or self._count != number)

    def _remember(self, position: int, change: Change) -> None:
        if len(self._changes) == REMEMBERED:
            self._start = self._changes[0][0]
        self._changes.append((position, change))
        self._count += 1

    def _look(self) -> tuple[Look, Change]:
        """In a thread."""
        self._folder.refresh()
        after = look(self._folder, self.seen)
        return after, difference(self._folder, self.seen, after)


@dataclass(slots=True)
class _Watched:
    watch: Watch
    task: asyncio.Task[None]
    clients: int = 0


class Watches:
    """The watches that there are, by the path of the run folder."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}

    @asynccontextmanager
    async def joined(self, path: str) -> AsyncIterator[Watch]:
        """Watch a run for the length of the block. Raises ReadingError."""
        if path not in self._watched:
            watch = await run_in_threadpool(_begin, path)
            if path not in self._watched:  # somebody else may have been quicker
                self._watched[path] = _Watched(watch, asyncio.create_task(watch.run()))
        watched = self._watched[path]
        watched.clients += 1
        try:
            yield watched.watch
        finally:
            watched.clients -= 1
            if not watched.clients:
                del self._watched[path]
                watched.task.cancel()
                await asyncio.gather(watched.task, return_exceptions=True)


def _begin(path: str) -> Watch:
    return Watch(RunFolder(path, latest_marks=True))


class EventStream(Response):
    """Tells one client of what changes in a run, until the run has ended or the client is gone."""

    def __init__(self, watches: Watches, path: str, last_id: str | None) -> None:
        super().__init__(media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._watches = watches
        self._path = path
        self._last_id = last_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        telling = asyncio.ensure_future(self._tell(send))
        leaving = asyncio.ensure_future(gone(receive))
        try:
            await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            telling.cancel()
            _, result = await asyncio.gather(leaving, telling, return_exceptions=True)
        if isinstance(result, Exception):
            raise result

    async def _tell(self, send: Send) -> None:
        async with self._watches.joined(self._path) as watch:
            position = _position(self._last_id)
            if position == watch.seen.position and watch.is_over:
                # Else a browser would come back again and again.
                await send({"type": "http.response.start", "status": HTTPStatus.NO_CONTENT, "headers": []})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": self.raw_headers})
            async for text in _texts(watch, position):
                await send({"type": "http.response.body", "body": text, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _texts(watch: Watch, position: int | None) -> AsyncIterator[bytes]:
    """What is sent to a client that knows of all up to a position, or of nothing."""
    if position is None:
        position = watch.seen.position
    number = watch.number_at(position)
    yield b"retry: 1000\n\n" + _events([("run", watch.seen.run)], position)
    while True:
        number, change = await watch.since(number)
        seen = watch.seen
        if change is None:
            told = [(kind, data(kind, None, seen)) for kind in KINDS]
        else:
            told = [(kind, data(kind, names, seen)) for kind, names in change.items()]
        if watch.is_over:
            yield _events([*told, ("end", seen.run)], seen.position)
            return
        yield _events(told, seen.position) if told else b": still here\n\n"
        await asyncio.sleep(GATHER_S)


def _events(told: list[tuple[str, Json]], position: int) -> bytes:
    """Several events; the last one has the position of the journal from which a client may go on."""
    parts = [b"event: %b\ndata: %b\n" % (kind.encode(), orjson.dumps(content)) for kind, content in told]
    return b"\n".join([*parts[:-1], b"id: %d\n" % position + parts[-1]]) + b"\n"


def _position(last_id: str | None) -> int | None:
    return int(last_id) if last_id is not None and last_id.isdecimal() and len(last_id) < _DIGITS_MAX else None
