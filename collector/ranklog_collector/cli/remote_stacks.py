"""Stacks by way of a collector's HTTP API, where the run folder is not on this machine."""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from ranklog_collector.core.requests import StackRequest
from ranklog_collector.reading.folder import NotThereError, ReadingError
from ranklog_collector.views.shapes import Json

TIMEOUT_S = 30.0
POLL_S = 0.2
NOT_FOUND = 404


class RemoteStacks:
    """The stacks of one run, by the collector at `url`. Raises ReadingError."""

    def __init__(self, url: str, run: str) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ReadingError(f"{url!r} is no address of a collector: say http://HOST:PORT")
        self._url = f"{url.rstrip('/')}/api/v1/runs/{quote(run)}/stacks"
        token = os.environ.get("RANKLOG_TOKEN")
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    def stored(self) -> Json:
        """Those that were taken last."""
        return self._answer(Request(self._url, headers=self._headers))

    def asked(self, request: StackRequest, within_s: float) -> Json:
        """Ask for them, and wait for the answer, or for as much of it as comes in time."""
        ranks = None if request.ranks is None else sorted(request.ranks)
        body = {"ranks": ranks, "native": request.is_native, "timeout_s": request.timeout_s}
        headers = {**self._headers, "Content-Type": "application/json"}
        asked = self._answer(Request(self._url, json.dumps(body).encode(), headers, method="POST"))
        deadline_s = time.monotonic() + within_s
        while True:
            try:
                url = f"{self._url}?request={quote(str(asked.get('request')))}"
                view = self._answer(Request(url, headers=self._headers))
                if view.get("is_complete") or not view.get("waiting_for") or time.monotonic() > deadline_s:
                    return view
            except NotThereError:
                if time.monotonic() > deadline_s:
                    raise
            time.sleep(POLL_S)

    def _answer(self, request: Request) -> Json:
        try:
            with urlopen(request, timeout=TIMEOUT_S) as answer:
                found: Any = json.load(answer)
        except HTTPError as error:
            kind = NotThereError if error.code == NOT_FOUND else ReadingError
            raise kind(_message(error)) from None
        except (URLError, OSError) as error:
            raise ReadingError(f"no collector answers at {self._url}: {getattr(error, 'reason', error)}") from None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ReadingError(f"{self._url} does not answer like a collector")
        return found


def _message(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"the collector answers {error.code} {error.reason}"
