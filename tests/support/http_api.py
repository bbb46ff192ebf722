"""A client of a collector's HTTP API: the standard library's, so that what is sent is what the test says."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from tests.support.pipeline import wait_until

TIMEOUT_S = 30.0
_READY = re.compile(r"HTTP on (https?)://(\S+):(\d+)/")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error."""
        return str(self.json()["error"]["code"])


@dataclass(frozen=True)
class Event:
    kind: str
    data: Any
    id: str | None


class Api:
    """Asks one server; each request has a connection of its own."""

    def __init__(
        self, host: str, port: int, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.host, self.port = host, port
        self._headers = headers or {}
        self._tls = tls

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask for a path below /api/v1, or for an absolute one if it starts with a slash twice."""
        connection = self._connection()
        try:
            address = path[1:] if path.startswith("//") else f"/api/v1{path}"
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, address, headers={**self._headers, **named})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        """What a request that succeeds is answered."""
        answer = self.get(path)
        assert answer.status == 200, (path, answer.body)
        return answer.json()

    def lines(self, run: str, query: str = "") -> list[dict[str, Any]]:
        """All lines of output that there are now."""
        found, cursor = [], ""
        while True:
            page = self.json(f"/runs/{run}/logs?{query}{cursor}")
            found += page["lines"]
            cursor = f"&cursor={page['cursor']}"
            if not page["more"]:
                return found

    @contextmanager
    def events(self, run: str, last_id: str | None = None) -> Iterator[Iterator[Event]]:
        """What is told of a run as it comes."""
        connection = self._connection()
        try:
            headers = {**self._headers, **({} if last_id is None else {"Last-Event-ID": last_id})}
            connection.request("GET", f"/api/v1/runs/{run}/events", headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            yield _events(answer)
        finally:
            connection.close()

    def say(self, data: bytes) -> bytes:
        """Send bytes, whatever they are, and return what comes until the server hangs up."""
        with socket.create_connection((self.host, self.port), TIMEOUT_S) as link:
            found = b""
            try:
                link.sendall(data)
                while received := link.recv(65536):
                    found += received
            except ConnectionError:
                pass  # it did not listen to the end
            return found

    def await_answer(self) -> None:
        """Wait until the server answers."""
        wait_until(self._answers, "HTTP is served")

    def _answers(self) -> bool:
        try:
            return self.get("//healthz").status in (200, 503)
        except (OSError, HTTPException):
            return False

    def _connection(self) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        return HTTPSConnection(self.host, self.port, timeout=TIMEOUT_S, context=self._tls)


def api_of(log: Path, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None) -> Api:
    """The API of a collector that has been started; `log` is what it says."""
    found: list[tuple[str, str, str]] = []

    def is_ready() -> bool:
        found[:] = _READY.findall(log.read_text())
        return bool(found)

    wait_until(is_ready, f"HTTP is announced in {log}")
    _, host, port = found[-1]
    return Api(host, int(port), headers, tls)


def _events(answer: Any) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in answer:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "event" in fields:
            yield Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}
        else:
            fields = {}
