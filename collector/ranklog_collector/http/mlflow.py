"""MLflow's API among the HTTP process's: requests to calls, and what they give to answers."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from ranklog.mlflow_api.errors import (
    NOT_IMPLEMENTED,
    UNAVAILABLE,
    UNKNOWN_ENDPOINT,
    MlflowError,
    invalid,
)
from ranklog_collector.http.sending import file_answer

if TYPE_CHECKING:
    from ranklog_collector.mlflow.tracking import Tracking

PREFIXES = ("/api/2.0/", "/api/3.0/", "/ajax-api/")
ARTIFACTS = "2.0/mlflow-artifacts/artifacts/"
MODELS = "2.0/mlflow/logged-models/"
VERSION = "3.17.2"
"""Of MLflow, whose API this is."""
BODY_BYTES_MAX = 64 << 20
"""Of a request; artifacts may be longer."""
_JSON = [(b"content-type", b"application/json")]
_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]
_EMPTY = b"{}"

log = logging.getLogger("ranklog.http")


class MlflowApi:
    """Answers what is MLflow's, and hands on everything else to `inner`."""

    def __init__(self, inner: ASGIApp, root: str, catalog_url: str | None) -> None:
        self._inner = inner
        self._root = root
        self._url = catalog_url
        self._tracking: Tracking | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if not is_mlflow(path):
            await self._inner(scope, receive, send)
            return
        try:
            await self._answer(scope, path, receive, send)
        except MlflowError as error:
            await _send(send, error.status, error_body(error), _JSON)

    async def _answer(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        if path in _PLAIN:
            await _send(send, 200, _PLAIN[path], _TEXT)
            return
        tracking = self._tracking or self._start()
        method, route = scope["method"], path.partition("api/")[2].rstrip("/")
        from ranklog_collector.mlflow.tracking import CALLS

        call = CALLS.get((method, route))
        if call is not None:
            request = _query(scope, call.lists) if method == "GET" else await _body(scope, receive)
            result = await call.handler(tracking, request)
            await _send(send, 200, orjson.dumps(result) if result else _EMPTY, _JSON)
            return
        if route.startswith(MODELS):
            from ranklog_collector.mlflow.model_calls import download, of_model

            model_id, _, rest = route.removeprefix(MODELS).partition("/")
            if (method, rest) == ("GET", "artifacts/files"):
                file = await download(tracking, model_id, _query(scope).get("artifact_file_path", ""))
                await _send_file(file, scope, receive, send)
                return
            request = _query(scope) if method == "GET" else await _body(scope, receive)
            found = await of_model(tracking, method, route.removeprefix(MODELS), request)
            if found is None:
                raise _nothing_at(method, path)
            await _send(send, 200, orjson.dumps(found), _JSON)
            return
        await self._answer_files(tracking, scope, method, path, receive, send)

    async def _answer_files(
        self, tracking: Tracking, scope: Scope, method: str, path: str, receive: Receive, send: Send
    ) -> None:
        from ranklog_collector.mlflow import artifact_calls as calls

        prefix, found, route = path.partition(ARTIFACTS)
        if found and prefix in ("/api/", "/ajax-api/"):
            if method == "GET":
                await _send_file(await calls.download(tracking, route), scope, receive, send)
                return
            if method == "PUT":
                await calls.upload(tracking, route, _blocks(receive))
            elif method == "DELETE":
                await calls.delete(tracking, route)
            else:
                raise _nothing_at(method, path)
            await _send(send, 200, _EMPTY, _JSON)
        elif method == "GET" and path.endswith("/get-artifact"):
            if path.endswith("/model-versions/get-artifact"):
                from ranklog_collector.mlflow.artifacts import parts_of

                parts_of(_query(scope).get("path", ""))
                raise _nothing_at(method, path)
            await _send_file(await calls.download_of_run(tracking, _query(scope)), scope, receive, send)
        elif method == "POST" and path == "/ajax-api/2.0/mlflow/upload-artifact":
            await calls.upload_of_run(tracking, _query(scope), _blocks(receive))
            await _send(send, 200, _EMPTY, _JSON)
        elif "/mlflow-artifacts/mpu/" in path or "/mlflow-artifacts/presigned" in path:
            raise MlflowError(NOT_IMPLEMENTED, "artifacts are sent to and from the collector in one piece")
        else:
            raise _nothing_at(method, path)

    def _start(self) -> Tracking:
        try:
            from ranklog_collector.mlflow.tracking import Tracking
        except ImportError as error:
            message = f"MLflow's API needs {error.name}: pip install 'ranklog[collector]' where the collector runs"
            raise MlflowError(NOT_IMPLEMENTED, message) from error
        self._tracking = Tracking(self._root, self._url)
        return self._tracking


def is_mlflow(path: str) -> bool:
    """Whether a path is one of MLflow's."""
    return path.startswith(PREFIXES) or path in _PLAIN or path.endswith("/get-artifact")


def error_body(error: MlflowError) -> bytes:
    """An error in MLflow's form."""
    return orjson.dumps({"error_code": error.code, "message": error.message})


_PLAIN = {"/health": b"OK", "/version": VERSION.encode()}


def _nothing_at(method: str, path: str) -> MlflowError:
    return MlflowError(UNKNOWN_ENDPOINT, f"{method} {path} is not supported by this server")


def _query(scope: Scope, lists: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What the query string says."""
    found: dict[str, Any] = {}
    for name, values in parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).items():
        plain = name.removesuffix("[]")
        found[plain] = values if plain in lists else values[-1]
    return found


async def _body(scope: Scope, receive: Receive) -> dict[str, Any]:
    """What the body says; nothing if it is no object."""
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if kind and kind.partition(b";")[0].strip().lower() != b"application/json":
        raise invalid(f"Bad Request. Content-Type must be one of ['application/json'], not {kind.decode('latin-1')!r}")
    message = await receive()
    data = message.get("body", b"")
    if message.get("more_body"):
        data = bytearray(data)
        async for block in _blocks(receive):
            data += block
            if len(data) > BODY_BYTES_MAX:
                raise invalid(f"The request is longer than {BODY_BYTES_MAX} bytes")
    return _object(bytes(data))


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        found = _lenient(data)
    return found if type(found) is dict else {}


def _lenient(data: bytes) -> Any:
    """Python's own JSON knows NaN and Infinity, which clients may send."""
    try:
        found = json.loads(data)
        json.dumps(found, ensure_ascii=False).encode()  # lone surrogates cannot be written
    except (ValueError, RecursionError):
        return None
    return found


async def _blocks(receive: Receive) -> AsyncIterator[bytes]:
    """What comes of a body."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MlflowError(UNAVAILABLE, "the client hung up before all of the request had come")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _send_file(file: Any, scope: Scope, receive: Receive, send: Send) -> None:
    from urllib.parse import quote

    headers = dict(scope["headers"])
    asked = [headers.get(name) for name in (b"range", b"if-range", b"if-none-match")]
    range_, if_range, if_none_match = (None if one is None else one.decode("latin-1") for one in asked)
    answer = file_answer(file.descriptor, file.name, range_, if_range, if_none_match)
    if answer.status_code < 300:
        name = quote(file.name, safe="", errors="surrogateescape")
        answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    await answer(scope, receive, send)
