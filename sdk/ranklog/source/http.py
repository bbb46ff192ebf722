"""The runs of a collector, by its HTTP API. Asks again while a collector is being started anew."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from ranklog.errors import RanklogError, RunFileError, RunNotFoundError, UnreachableError, UserError
from ranklog.source.protocol import EMPTY, Json

TIMEOUT_S = 30.0
"""How long the collector may be silent within an answer."""
RETRY_S = 15.0
"""For how long it is asked again when it does not answer at all."""
PAUSES_S = (0.1, 0.2, 0.5, 1.0)
"""Between two attempts; the last one again and again."""
RESTARTING = (502, 503, 504)
UNAUTHORIZED, NOT_FOUND, BEHIND_END = 401, 404, 416
WRONG_QUESTION = (400, 409)
NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class HttpSource:
    """A collector at `url` (http or https), asked with a bearer `token` if there is one. Raises UserError."""

    def __init__(self, url: str, token: str | None = None, retry_s: float = RETRY_S) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise UserError(f"{url!r} is no address of a collector: RANKLOG_URL is like http://head-node:8080")
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._retry_s = retry_s

    def runs(self, experiment: str | None = None) -> list[Json]:
        """All runs, or those of an experiment, newest first."""
        return list(self._pages("/runs", "runs", {"experiment": experiment}))

    def run(self, run_id: str) -> Json:
        """One run."""
        return self._json(_run_path(run_id), {})

    def processes(self, run_id: str) -> list[Json]:
        """The processes of a run."""
        return list(self._json(_run_path(run_id, "processes"), {})["processes"])

    def verdict(self, run_id: str) -> Json:
        """Why a run is as it is."""
        return self._json(_run_path(run_id, "verdict"), {})

    def files(self, run_id: str, prefix: str = "") -> list[Json]:
        """The files of a run whose paths begin with `prefix`."""
        return list(self._json(_run_path(run_id, "files"), {"prefix": prefix})["files"])

    def file(self, run_id: str, path: str, start: int = 0) -> bytes:
        """A file's bytes from `start` on."""
        try:
            return self._get(_run_path(run_id, "files", path), {}, {"Range": f"bytes={start}-"} if start else {})
        except RunNotFoundError as error:
            self.run(run_id)
            raise RunFileError(f"run {run_id} has no file {path!r}: see get_file_names()") from error

    def records(self, run_id: str, key: str | None = None, rank: int | None = None) -> list[Json]:
        """All that was logged, in the order of time."""
        path, query = _run_path(run_id, "metrics", "records"), {"key": key, "rank": rank}
        try:
            return [{**record, "value": _numbers(record["value"])} for record in self._pages(path, "records", query)]
        except RunNotFoundError:
            self.run(run_id)
            return []

    def metrics(self, run_id: str) -> list[Json]:
        """The metrics of a run."""
        return list(self._json(_run_path(run_id, "metrics"), {})["metrics"])

    def series(self, run_id: str, key: str, rank: int | None = None, points: int = 1000) -> list[Json]:
        """A metric of each process."""
        query = {"key": key, "rank": rank, "points": points}
        return list(self._of_metric(run_id, "series", query).get("series", ()))

    def aggregate(self, run_id: str, key: str, points: int = 1000) -> Json:
        """A metric over ranks."""
        return self._of_metric(run_id, "aggregate", {"key": key, "points": points}) or dict(EMPTY)

    def logs(
        self, run_id: str, cursor: str | None = None, rank: str | None = None, tail: int | None = None
    ) -> tuple[list[Json], str]:
        """The next lines of all ranks, or of some, and the cursor that goes on behind them."""
        query = {"rank": rank, "cursor": cursor, "tail": None if cursor else tail}
        answer = self._json(_run_path(run_id, "logs"), query)
        return answer["lines"], answer["cursor"]

    def _of_metric(self, run_id: str, what: str, query: Mapping[str, object]) -> Json:
        """What is told of a metric; nothing if nobody has logged it."""
        try:
            return self._json(_run_path(run_id, "metrics", what), query)
        except RunNotFoundError:
            self.run(run_id)
            return {}

    # ---- asking -----------------------------------------------------------------------------------------------------

    def _pages(self, path: str, name: str, query: Mapping[str, object]) -> Iterator[Json]:
        cursor = None
        while True:
            answer = self._json(path, {**query, "cursor": cursor})
            yield from answer[name]
            cursor = answer.get("cursor")
            if cursor is None:
                return

    def _json(self, path: str, query: Mapping[str, object]) -> Json:
        body = self._get(path, query, {})
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise UnreachableError(f"{self.url} does not answer like a collector: is it `ranklog collector --http`?")
        return answer

    def _get(self, path: str, query: Mapping[str, object], headers: Mapping[str, str]) -> bytes:
        wanted = urlencode({name: value for name, value in query.items() if value is not None})
        address = f"{self.url}/api/v1{path}" + (f"?{wanted}" if wanted else "")
        request = Request(address, headers={**self._headers, **headers})
        deadline, pauses = time.monotonic() + self._retry_s, iter(PAUSES_S)
        while True:
            try:
                with urlopen(request, timeout=TIMEOUT_S) as answer:
                    return bytes(answer.read())
            except HTTPError as error:
                if error.code == BEHIND_END:
                    return b""
                if error.code not in RESTARTING or time.monotonic() > deadline:
                    raise self._refusal(error) from None
            except (URLError, HTTPException, OSError) as error:
                if time.monotonic() > deadline:
                    reason = getattr(error, "reason", None) or error or type(error).__name__
                    raise UnreachableError(
                        f"no collector answers at {self.url} ({reason}): is it running with --http, "
                        "and is RANKLOG_URL its address?"
                    ) from error
            time.sleep(next(pauses, PAUSES_S[-1]))

    def _refusal(self, error: HTTPError) -> RanklogError:
        """Say what the answer says is wrong."""
        with error:
            text = _message(error.read())
        if error.code == NOT_FOUND:
            return RunNotFoundError(text or f"{self.url} has no such run")
        if error.code == UNAUTHORIZED:
            return UnreachableError(f"{self.url} wants a token: set RANKLOG_TOKEN to that of its --token-file")
        if error.code in WRONG_QUESTION:
            return UserError(text)
        return UnreachableError(f"{self.url} answers {error.code} {error.reason}: {text}")


def _run_path(run_id: str, *parts: str) -> str:
    return "/".join(["/runs", quote(run_id, safe="/"), *(quote(part, safe="/") for part in parts)])


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


def _numbers(value: object) -> object:
    """Make floats of the numbers that JSON does not have."""
    if isinstance(value, str):
        return NUMBERS.get(value, value)
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    if isinstance(value, dict):
        return {name: _numbers(each) for name, each in value.items()}
    return value
