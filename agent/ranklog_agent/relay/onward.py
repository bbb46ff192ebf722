"""Calls that the spool cannot answer go on to the collector's HTTP API, byte by byte in both directions."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

from ranklog_agent.relay.wire import PIECE_BYTES, Head

CONNECT_TIMEOUT_S = 5.0
HOPS = frozenset(("connection", "host", "transfer-encoding", "content-length", "expect", "keep-alive", "te", "upgrade"))


class Onward:
    """A collector at `url`. Who asks shows its own token; `token` stands for one that it does not have."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token

    async def ask(self, head: Head, body: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
        """Pass a request on and its answer back; the answer ends its connection.

        Raises OSError if nobody answers; nothing has been passed back then.
        """
        length = head.length
        upstream_reader, upstream = await self._connect()
        try:
            upstream.write(self._head(head, length))
            async for piece in body:
                upstream.write(piece if length is not None else b"%x\r\n%b\r\n" % (len(piece), piece))
                await upstream.drain()
            if length is None:
                upstream.write(b"0\r\n\r\n")
            await upstream.drain()
            first = await upstream_reader.read(PIECE_BYTES)
            if not first:
                raise ConnectionError("no answer")
            writer.write(first)
            while piece := await _rest(upstream_reader):
                writer.write(piece)
                await writer.drain()
            await writer.drain()
        finally:
            upstream.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.url)
        is_secret = parts.scheme == "https"
        context = ssl.create_default_context() if is_secret else None
        port = parts.port or (443 if is_secret else 80)
        connecting = asyncio.open_connection(parts.hostname, port, ssl=context)
        try:
            return await asyncio.wait_for(connecting, CONNECT_TIMEOUT_S)
        except asyncio.TimeoutError:
            raise ConnectionError(f"{self.url} does not answer within {CONNECT_TIMEOUT_S:g} s") from None

    def _head(self, head: Head, length: int | None) -> bytes:
        headers = {name: value for name, value in head.headers.items() if name not in HOPS}
        if self._token:
            headers.setdefault("authorization", f"Bearer {self._token}")
        headers |= {"host": urlsplit(self.url).netloc, "connection": "close"}
        headers |= {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
        lines = [f"{head.method} {urlsplit(self.url).path}{head.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _rest(reader: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionError):  # what has been passed back cannot be taken back; the client sees that it is cut
        return await reader.read(PIECE_BYTES)
    return b""
