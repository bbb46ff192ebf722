"""Files and zips on their way to a client: read in threads, a block at a time, as fast as the client takes them."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ranklog_collector.http.errors import BrokenOffError, error_answer
from ranklog_collector.reading.folder import ReadingError

BLOCK = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_NOT_PLAIN = re.compile(r"[^ !#-\[\]-~]")
_DIGITS_MAX = 19
_TEXT = frozenset({".txt", ".log", ".json", ".jsonl", ".csv", ".out", ".err", ".yaml", ".yml", ".md", ".py", ".sh"})
_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
# Whatever a job wrote, a browser must not run it as a page of ours.
_SANDBOX = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"


class Streamed(Response):
    """Sends what an iterator yields in threads, until its end or until the client hangs up."""

    def __init__(self, content: Iterator[bytes], status: int, headers: dict[str, str]) -> None:
        super().__init__(None, status, headers)
        if "Content-Length" not in headers:
            del self.headers["content-length"]
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(gone(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            _, result = await asyncio.gather(leaving, sending, return_exceptions=True)
            with suppress(ValueError):
                await run_in_threadpool(_close, self._content)
        if isinstance(result, (ReadingError, OSError)):
            raise BrokenOffError(str(result)) from None
        if isinstance(result, Exception):
            raise result

    async def _send(self, send: Send) -> None:
        while (data := await run_in_threadpool(next, self._content, None)) is not None:
            if data:
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def gone(receive: Receive) -> None:
    """Wait until the client hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _close(content: Any) -> None:
    content.close()


def file_answer(file: int, path: str, range_: str | None, if_range: str | None, if_none_match: str | None) -> Response:
    """A file, of which only the part `range_` is wanted; `file`, which is open, gets closed."""
    status = os.fstat(file)
    size = status.st_size
    tag = f'"{status.st_ino:x}-{size:x}-{status.st_mtime_ns:x}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "ETag": tag,
        "Last-Modified": formatdate(status.st_mtime, usegmt=True),
    }
    if if_none_match is not None and tag in [one.strip() for one in if_none_match.split(",")]:
        os.close(file)
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    wanted = None if range_ is None or if_range not in (None, tag) else _part(range_, size)
    if wanted is not None and not wanted:
        os.close(file)
        message = f"the file has {size} bytes now, {range_} is not among them"
        refused = {"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"}
        return error_answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, message, refused)
    part = range(size) if wanted is None else wanted
    headers |= {"Content-Length": str(len(part)), "Content-Security-Policy": _SANDBOX, **_kind(path)}
    if wanted is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return Streamed(_blocks(file, part), HTTPStatus.OK if wanted is None else HTTPStatus.PARTIAL_CONTENT, headers)


def zip_answer(content: Iterator[bytes], name: str) -> Response:
    """A zip that is made while it is sent."""
    return Streamed(content, HTTPStatus.OK, {"Content-Type": "application/zip", **_named("attachment", name)})


def _part(range_: str, size: int) -> range | None:
    """Which bytes of a file of a size are meant: none, or not understood, which means all."""
    found = _RANGE.fullmatch(range_.replace(" ", ""))
    if found is None or found[0] == "bytes=-" or max(len(found[1]), len(found[2])) > _DIGITS_MAX:
        return None
    if not found[1]:
        return range(max(0, size - int(found[2])), size)
    start, end = int(found[1]), int(found[2]) + 1 if found[2] else size
    return None if end <= start and found[2] else range(start, min(end, size))


def _kind(path: str) -> dict[str, str]:
    name = path.rpartition("/")[2]
    kind = mimetypes.guess_type(name)[0] or ""
    if os.path.splitext(name)[1].lower() in _TEXT:
        return {"Content-Type": "text/plain; charset=utf-8", **_named("inline", name)}
    if kind in _SHOWN:
        return {"Content-Type": kind, **_named("inline", name)}
    return {"Content-Type": "application/octet-stream", **_named("attachment", name)}


def _named(disposition: str, name: str) -> dict[str, str]:
    """How it should be called where it is saved; curl knows the first form only (RFC 6266)."""
    plain = _NOT_PLAIN.sub("_", name)
    exact = quote(name, safe="", errors="surrogateescape")
    return {"Content-Disposition": f"{disposition}; filename=\"{plain}\"; filename*=UTF-8''{exact}"}


def _blocks(file: int, part: range) -> Iterator[bytes]:
    try:
        at = part.start
        while at < part.stop:
            data = os.pread(file, min(BLOCK, part.stop - at), at)
            if not data:
                raise ReadingError("the file was cut while it was sent")
            yield data
            at += len(data)
    finally:
        os.close(file)
