"""The relay: a server on the loopback address, whose URL names the process that asks."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType

from ranklog import relay_place, spool
from ranklog.mlflow_api.errors import INTERNAL, MISSING, MlflowError
from ranklog_agent.config import Config
from ranklog_agent.relay.desk import Desk
from ranklog_agent.relay.wire import HEAD_BYTES_MAX, BadRequestError, Head, body, read_head, refusal, send


class Relay:
    """Answers MLflow's client for the processes of this node. A context."""

    def __init__(self, config: Config, say: Callable[[str], None]) -> None:
        self._config = config
        self._say = say
        self._desk = Desk(config)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._secret = ""

    async def __aenter__(self) -> Relay:
        """Take up the socket that whoever started this agent has handed over as its stdin, or listen by oneself."""
        folder, hostname = self._config.spool, self._config.hostname
        try:
            listening = _inherited() or socket.socket(fileno=relay_place.make(folder, hostname))
            self._secret = relay_place.join(folder, hostname).rpartition("/")[2]
            self._server = await asyncio.start_server(self._serve, sock=listening, limit=HEAD_BYTES_MAX)
        except (OSError, spool.SpoolError) as error:
            self._say(f"MLflow's clients on this node find no relay: {error}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more."""
        await self.close()

    async def close(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        self._desk.close()

    # ---- inside -----------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection has a task of its own"
        self._connections.add(task)
        try:
            while (head := await read_head(reader)) is not None and await self._handle(head, reader, writer):
                pass
        except BadRequestError as error:
            with suppress(OSError):
                await send(writer, refusal(400, "BAD_REQUEST", str(error)), is_last=True)
        except (OSError, asyncio.CancelledError):
            pass  # the client is gone, or the relay is closed
        finally:
            self._connections.discard(task)
            writer.close()

    async def _handle(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; False if that ends the connection."""
        content = body(reader, head.length)
        try:
            secret, _, target = head.target.removeprefix("/").partition("/")
            if not secrets.compare_digest(secret.encode(), self._secret.encode()):
                raise MlflowError(MISSING, "MLFLOW_TRACKING_URI is not that of this node's relay")
            answer = await self._desk.answer(replace(head, target=f"/{target}"), content, writer)
        except (BadRequestError, OSError):
            raise
        except MlflowError as error:
            answer = refusal(error.status, error.code, error.message)
        except Exception as error:  # noqa: BLE001 (a fault of ours must not end other ranks' connections)
            self._say(f"cannot answer {head.method} {head.path}: {type(error).__name__}: {error}")
            answer = refusal(500, INTERNAL, f"{type(error).__name__}: {error}")
        if answer is None:
            return False
        async for _ in content:  # what was not read stands before the next request
            pass
        await send(writer, answer, is_last=head.is_last)
        return not head.is_last


def _inherited() -> socket.socket | None:
    """Stdin, if it is a socket that listens."""
    try:
        found = socket.socket(fileno=os.dup(0))
    except OSError:
        return None
    try:
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return found
    except OSError:
        pass
    found.close()
    return None
