"""Answers in JSON, and errors as clients see them: `{"error": {"code": …, "message": …}}`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ranklog_collector.reading.folder import AmbiguousError, QuestionError, ReadingError

_CODES = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "range_not_satisfiable",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}


class JsonAnswer(JSONResponse):
    """An object as JSON."""

    def render(self, content: Any) -> bytes:
        """Write it."""
        return orjson.dumps(content)


class BrokenOffError(Exception):
    """An answer that has begun cannot be completed: its connection is to be closed, which its client can tell."""


def error_answer(status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Say that something is wrong."""
    return JsonAnswer({"error": {"code": _CODES[status], "message": message}}, status, headers)


def add_handlers(app: FastAPI) -> None:
    """Let all errors that are expected be answered in this form."""

    @app.exception_handler(ReadingError)
    def on_reading_error(_: Request, error: ReadingError) -> Response:
        status = HTTPStatus.NOT_FOUND
        if isinstance(error, QuestionError):
            status = HTTPStatus.BAD_REQUEST
        elif isinstance(error, AmbiguousError):
            status = HTTPStatus.CONFLICT
        return error_answer(status, str(error))

    @app.exception_handler(RequestValidationError)
    def on_validation_error(_: Request, error: RequestValidationError) -> Response:
        found = [f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()]
        return error_answer(HTTPStatus.BAD_REQUEST, "; ".join(found))

    @app.exception_handler(HTTPException)
    def on_http_error(request: Request, error: HTTPException) -> Response:
        messages = {
            404: f"there is nothing at {request.url.path}; /api/v1/openapi.json says what there is",
            405: f"{request.method} is not possible here",
        }
        return error_answer(HTTPStatus(error.status_code), messages.get(error.status_code, error.detail), error.headers)
