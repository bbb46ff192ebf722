"""uvicorn's protocol with an end to its patience: no connection is held for nothing."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ranklog_collector.http.errors import error_answer

REQUEST_S = 10.0
"""How long a client may take to send a request's head."""
STALLED_S = 60.0
"""How long a client may take nothing of what is sent to it."""


class PatientProtocol(H11Protocol):
    """Closes a connection on which a request does not get complete, or an answer is not taken."""

    _asking: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See Protocol."""
        super().connection_made(transport)
        self._asking = self.loop.call_later(REQUEST_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """See Protocol."""
        if self._asking is None and (self.cycle is None or self.cycle.response_complete):
            self._asking = self.loop.call_later(REQUEST_S, self.transport.abort)
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_asking()

    def pause_writing(self) -> None:
        """See Protocol."""
        super().pause_writing()
        self._taking = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """See Protocol."""
        super().resume_writing()
        self._stop_taking()

    def connection_lost(self, exc: Exception | None) -> None:
        """See Protocol."""
        self._stop_asking()
        self._stop_taking()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP request, in the form of all errors."""
        answer = error_answer(HTTPStatus.BAD_REQUEST, "this is no HTTP request, or its head is too long")
        headers = [*answer.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=headers),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
