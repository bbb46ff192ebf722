"""Who answers what: the spool, as far as it can, else the collector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from ranklog.mlflow_api.errors import MISSING, NOT_IMPLEMENTED, UNAVAILABLE, UNKNOWN_ENDPOINT, MlflowError, invalid
from ranklog.mlflow_api.logbook import Logbook
from ranklog_agent.config import Config
from ranklog_agent.relay import uploads
from ranklog_agent.relay.books import Books
from ranklog_agent.relay.calls import CALLS, Calls, NotOurs
from ranklog_agent.relay.onward import Onward
from ranklog_agent.relay.wire import Answer, Head

JSON_BYTES_MAX = 64 << 20
API = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/")
FILES = ("/api/2.0/mlflow-artifacts/artifacts", "/ajax-api/2.0/mlflow-artifacts/artifacts")
SERVER_INFO = "/api/3.0/mlflow/server-info"
MODELS = tuple(f"{api}logged-models/search" for api in API)
"""MLflow's client asks for models also where somebody only reads or adds to a file."""
T = TypeVar("T")


class Desk:
    """Answers requests whose targets begin with the key of a process."""

    def __init__(self, config: Config) -> None:
        self._run_id = config.run_id
        self._books = Books(config)
        self._onward = Onward(config.url, config.token) if config.url else None
        # The disk may stall; the agent must not.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="relay")

    def close(self) -> None:
        """Answer no more."""
        self._thread.shutdown()

    async def answer(self, head: Head, content: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> Answer | None:
        """Give the answer; None if the collector has given one, which ends the connection.

        Raises MlflowError and OSError.
        """
        key, _, target = head.target.removeprefix("/").partition("/")
        found = await self._in_thread(self._books.get, key)
        if found is None:
            raise MlflowError(MISSING, f"This node has no process {key[:200]!r} of run {self._run_id}")
        logbook, calls = found
        head = replace(head, target=f"/{target}")
        path = head.path
        if path == SERVER_INFO:
            raise MlflowError(UNKNOWN_ENDPOINT, "There is nothing to be told of this server")
        if path in ("/health", "/healthz"):
            return Answer(content=b"OK", media_type="text/plain")
        try:
            if (below := _below(path, FILES)) is not None:
                return await self._answer_file(head, logbook, calls, below.strip("/"), content)
            if (name := _below(path, API)) is not None and f"{head.method} {name}" in CALLS:
                raw = await _whole(content)
                content = _again(raw)
                asked: dict[str, Any] = dict(head.query) if head.method == "GET" else _object(raw)
                answered = await self._in_thread(calls.answer, f"{head.method} {name}", asked)
                return Answer(content=orjson.dumps(answered))
        except NotOurs:
            pass
        return await self._pass_on(head, content, writer)

    async def _answer_file(
        self, head: Head, logbook: Logbook, calls: Calls, below: str, content: AsyncIterator[bytes]
    ) -> Answer:
        """Store, give or list files of the run. Raises NotOurs."""
        below = below or head.query.get("path", "")
        _, _, rest = below.partition("/")
        mlflow_id, _, rest = rest.partition("/")
        folder, _, path = rest.partition("/")
        if folder != "artifacts" or not mlflow_id:
            raise NotOurs
        own = (await self._in_thread(calls.find, mlflow_id)).run_id
        if head.method == "PUT":
            await uploads.store(logbook, own, path, content)
            return Answer()
        if head.method != "GET":
            raise NotOurs
        if "path" in head.query:
            files = await self._in_thread(uploads.listing, logbook, own, path)
            return Answer(content=orjson.dumps({"files": files}))
        found = await self._in_thread(uploads.find, logbook, own, path)
        if found is None:
            raise NotOurs
        return Answer(media_type=uploads.media_type(path), path=found)

    async def _pass_on(self, head: Head, content: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> Answer | None:
        what = f"{head.method} {head.path}"
        if self._onward is None:
            if head.path in MODELS:
                return Answer()
            raise MlflowError(
                NOT_IMPLEMENTED,
                f"{what} cannot be answered from this node's spool, and there is no collector to ask: start the "
                "collector with --http, and set RANKLOG_URL where the agent is started",
            )
        try:
            await self._onward.ask(head, content, writer)
        except OSError as error:
            if writer.is_closing():
                raise
            if head.path in MODELS:
                return Answer()
            raise MlflowError(
                UNAVAILABLE, f"{what} is the collector's to answer, and {self._onward.url} does not: {error}"
            ) from error
        return None

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _below(path: str, starts: tuple[str, ...]) -> str | None:
    return next((path.removeprefix(start) for start in starts if path.startswith(start)), None)


async def _whole(content: AsyncIterator[bytes]) -> bytes:
    pieces, size = [], 0
    async for piece in content:
        size += len(piece)
        if size > JSON_BYTES_MAX:
            raise invalid(f"A request may have {JSON_BYTES_MAX} bytes at most")
        pieces.append(piece)
    return b"".join(pieces)


async def _again(raw: bytes) -> AsyncIterator[bytes]:
    if raw:
        yield raw


def _object(raw: bytes) -> dict[str, Any]:
    """As MLflow's own server has it: what is no object is as good as an empty one."""
    try:
        found = orjson.loads(raw)
    except orjson.JSONDecodeError:
        found = _lenient(raw)
    return found if isinstance(found, dict) else {}


def _lenient(raw: bytes) -> object:
    import json  # takes the NaN that JSON does not have

    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
