"""As much of HTTP/1.1 as MLflow's client speaks: requests with a length or in chunks, connections that are kept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

HEAD_BYTES_MAX = 64 << 10
PIECE_BYTES = 256 << 10
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    413: "Content Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class BadRequestError(Exception):
    """What came is no request that can be understood; the connection cannot go on."""


@dataclass(frozen=True)
class Head:
    """A request without its body."""

    method: str
    target: str
    headers: dict[str, str]
    """By their names in lower case."""

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The query's members; of several of a name the last."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def length(self) -> int | None:
        """Bytes of the body; None if it comes in chunks. Raises BadRequestError."""
        if "transfer-encoding" in self.headers:
            if self.headers["transfer-encoding"].strip().lower() != "chunked" or "content-length" in self.headers:
                raise BadRequestError("a transfer encoding that is not understood")
            return None
        told = self.headers.get("content-length", "0").strip()
        if not told.isascii() or not told.isdigit() or len(told) > 18:
            raise BadRequestError("a length that is none")
        return int(told)

    @property
    def is_last(self) -> bool:
        """Whether the client wants the connection closed."""
        return self.headers.get("connection", "").strip().lower() == "close"


@dataclass(frozen=True)
class Answer:
    """An answer: its content, or the file at `path`."""

    status: int = 200
    content: bytes = b"{}"
    media_type: str = "application/json"
    path: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, message: str) -> Answer:
    """Give an answer in the form of MLflow's errors."""
    return Answer(status, orjson.dumps({"error_code": code, "message": message}))


def parse_head(raw: bytes) -> Head:
    """Read a request's head. Raises BadRequestError."""
    lines = raw.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise BadRequestError("no request line of HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not line:
            continue
        if not colon or not name or name != name.strip():
            raise BadRequestError("a header that is none")
        headers[name.lower()] = value.strip()
    return Head(words[0], words[1], headers)


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read the next request's head; None at the end of the connection. Raises BadRequestError."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BadRequestError("the request ends within its head") from None
        return None
    except asyncio.LimitOverrunError:
        raise BadRequestError("the request's head is too long") from None
    return parse_head(raw)


async def body(reader: asyncio.StreamReader, length: int | None) -> AsyncIterator[bytes]:
    """Yield a request's body. Raises BadRequestError."""
    try:
        if length is None:
            async for piece in _chunks(reader):
                yield piece
            return
        while length:
            piece = await reader.read(min(length, PIECE_BYTES))
            if not piece:
                raise BadRequestError("the request ends within its body")
            length -= len(piece)
            yield piece
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise BadRequestError("the request ends within its body") from None


async def send(writer: asyncio.StreamWriter, answer: Answer, *, is_last: bool) -> None:
    """Send an answer. Raises OSError."""
    if answer.path is None:
        writer.write(_head(answer, len(answer.content), is_last=is_last) + answer.content)
        await writer.drain()
        return
    with open(answer.path, "rb") as file:
        left = os.fstat(file.fileno()).st_size
        writer.write(_head(answer, left, is_last=is_last))
        while left:
            piece = await asyncio.to_thread(file.read, min(left, PIECE_BYTES))
            if not piece:
                raise OSError("the file was cut")
            left -= len(piece)
            writer.write(piece)
            await writer.drain()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        told = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        try:
            left = int(told, 16) if told.isalnum() else -1
        except ValueError:
            left = -1
        if left < 0:
            raise BadRequestError("a chunk without a length")
        if left == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass
            return
        while left:
            piece = await reader.readexactly(min(left, PIECE_BYTES))
            left -= len(piece)
            yield piece
        if await reader.readexactly(2) != b"\r\n":
            raise BadRequestError("a chunk longer than it says")


def _head(answer: Answer, length: int, *, is_last: bool) -> bytes:
    headers = {
        "Content-Type": answer.media_type,
        "Content-Length": str(length),
        "Connection": "close" if is_last else "keep-alive",
        **answer.headers,
    }
    lines = [
        f"HTTP/1.1 {answer.status} {REASONS[answer.status]}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
