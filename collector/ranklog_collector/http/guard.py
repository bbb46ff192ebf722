"""Who may ask at all, and what is the same for every answer."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ranklog.mlflow_api.errors import DENIED, INTERNAL, UNAUTHENTICATED, MlflowError
from ranklog_collector.http import mlflow
from ranklog_collector.http.errors import BrokenOffError, error_answer

HEALTH = "/healthz"
_OPEN = (HEALTH, "/health")
_MLFLOW = {
    HTTPStatus.UNAUTHORIZED: UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: DENIED,
    HTTPStatus.INTERNAL_SERVER_ERROR: INTERNAL,
}
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="ranklog", charset="UTF-8"'}

log = logging.getLogger("ranklog.http")


class _HeadSentError(Exception):
    """The head of an answer is all that was asked for."""


class Guard:
    """Asks for the token, answers HEAD like GET without its body, and turns a defect into an answer.

    Without a token, on a socket that only this machine reaches, the Host header must be one of this machine: else any
    web page could have its own name lead here, and read what only this machine's users may read.
    """

    def __init__(self, app: ASGIApp, token: str | None, is_loopback: bool) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._asks_for_host = token is None and is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        is_head, is_begun = scope["method"] == "HEAD", False

        async def pass_on(message: Message) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            elif is_head:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise _HeadSentError
            await send(message)

        try:
            refusal = self._refusal(scope)
            inner = {**scope, "method": "GET"} if is_head else scope
            await (self._app if refusal is None else refusal)(inner, receive, pass_on)
        except _HeadSentError:
            return
        except BrokenOffError as error:
            log.warning("the answer to %s broke off: %s", scope["path"], error)
            raise
        except Exception:
            name = secrets.token_hex(4)
            log.exception("error %s at %s", name, scope["path"])
            if is_begun:
                raise BrokenOffError from None
            message = f"an internal error, {name} in the collector's log"
            await _error(scope, HTTPStatus.INTERNAL_SERVER_ERROR, message)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        if scope["path"] in _OPEN:
            return None
        headers = Headers(scope=scope)
        if self._asks_for_host and not _is_of_this_machine(headers.get("host", "")):
            text = "without a token only names of this machine are answered to: use localhost, or give a --token-file"
            return _error(scope, HTTPStatus.FORBIDDEN, text)
        if self._token is not None and not _shows(headers.get("authorization", ""), self._token):
            text = "the token is missing or wrong: say Authorization: Bearer TOKEN, or give the token as password"
            return _error(scope, HTTPStatus.UNAUTHORIZED, text, _CHALLENGE)
        return None


def _error(scope: Scope, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> ASGIApp:
    """An error in the form that the client knows."""
    if not mlflow.is_mlflow(scope["path"]):
        return error_answer(status, message, headers)
    body = mlflow.error_body(MlflowError(_MLFLOW[status], message))
    return Response(body, status, headers, "application/json")


def _shows(authorization: str, token: bytes) -> bool:
    kind, _, value = authorization.partition(" ")
    shown = value.strip().encode("latin-1")
    if kind.lower() == "basic":
        try:
            shown = base64.b64decode(shown, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return False
    elif kind.lower() != "bearer":
        return False
    return hmac.compare_digest(shown, token)


def _is_of_this_machine(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.lower().rstrip(".") == "localhost"
    return True
