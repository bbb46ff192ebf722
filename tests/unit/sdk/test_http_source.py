"""Reading runs over HTTP: questions, pages, numbers, and a collector that refuses or is being started again."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ranklog.errors import RunFileError, RunNotFoundError, UnreachableError, UserError
from ranklog.source.http import HttpSource

Answer = tuple[int, object]
NOT_FOUND = (404, {"error": {"code": "not_found", "message": "there is no such thing"}})


class Collector:
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.answer: Callable[[str, dict[str, list[str]]], Answer] = lambda path, query: (200, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = parse_qs(parts.query)
                outer.asked.append((parts.path, query, dict(self.headers)))
                status, body = outer.answer(parts.path, query)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    thread = threading.Thread(target=one.server.serve_forever, args=(0.01,))
    thread.start()
    yield one
    one.server.shutdown()
    thread.join()
    one.server.server_close()


@pytest.fixture
def source(collector: Collector) -> HttpSource:
    return HttpSource(collector.url + "/", "s3cret", retry_s=10.0)


def test_the_token_goes_with_every_question(collector: Collector, source: HttpSource) -> None:
    collector.answer = lambda path, query: (200, {"run_id": "r"})
    assert source.run("e/r 1") == {"run_id": "r"}
    ((path, _, headers),) = collector.asked
    assert path == "/api/v1/runs/e/r%201"
    assert headers["Authorization"] == "Bearer s3cret"


def test_all_pages_are_read(collector: Collector, source: HttpSource) -> None:
    pages = {None: ([{"n": 1}, {"n": 2}], "x"), "x": ([{"n": 3}], None)}

    def answer(path: str, query: dict[str, list[str]]) -> Answer:
        found, cursor = pages[query.get("cursor", [None])[0]]
        return 200, {"runs": found, "cursor": cursor}

    collector.answer = answer
    assert [run["n"] for run in source.runs("e")] == [1, 2, 3]
    assert [query["experiment"] for _, query, _ in collector.asked] == [["e"], ["e"]]


def test_numbers_that_json_does_not_have_come_back(collector: Collector, source: HttpSource) -> None:
    values = ["NaN", {"a": ["-Infinity", 1, "text"]}]
    collector.answer = lambda path, query: (200, {"records": [{"value": each} for each in values], "cursor": None})
    first, second = (record["value"] for record in source.records("r", "key", 3))
    assert math.isnan(first)
    assert second == {"a": [-math.inf, 1, "text"]}
    assert collector.asked[0][1] == {"key": ["key"], "rank": ["3"]}


def test_a_metric_that_nobody_logged_has_no_records(collector: Collector, source: HttpSource) -> None:
    collector.answer = lambda path, query: NOT_FOUND if "metrics" in path else (200, {})
    assert source.records("r", "nothing") == []


def test_a_file_is_read_from_where_it_was_left(collector: Collector, source: HttpSource) -> None:
    collector.answer = lambda path, query: (206, b"\0rest")
    assert source.file("r", "outputs/a b.bin", 5) == b"\0rest"
    path, _, headers = collector.asked[0]
    assert path == "/api/v1/runs/r/files/outputs/a%20b.bin"
    assert headers["Range"] == "bytes=5-"
    collector.answer = lambda path, query: (416, {"error": {"code": "x", "message": "y"}})
    assert source.file("r", "a", 10) == b""


def test_lines_come_with_a_cursor(collector: Collector, source: HttpSource) -> None:
    collector.answer = lambda path, query: (200, {"lines": [{"text": "a"}], "cursor": "next"})
    assert source.logs("r", "here", rank="0-3") == ([{"text": "a"}], "next")
    assert collector.asked[0][1] == {"cursor": ["here"], "rank": ["0-3"]}


def test_the_last_lines_are_asked_for_only_without_a_cursor(collector: Collector, source: HttpSource) -> None:
    collector.answer = lambda path, query: (200, {"lines": [], "cursor": "next"})
    source.logs("r", None, tail=9)
    source.logs("r", "here", tail=9)
    assert [query for _, query, _ in collector.asked] == [{"tail": ["9"]}, {"cursor": ["here"]}]


def test_metrics_are_asked_for_thinned(collector: Collector, source: HttpSource) -> None:
    collector.answer = lambda path, query: (200, {"metrics": [{"key": "a"}], "series": [{"rank": 1}], "step": [1]})
    assert source.metrics("r") == [{"key": "a"}]
    assert source.series("r", "a b", 1, 9) == [{"rank": 1}]
    assert source.aggregate("r", "a b", 9)["step"] == [1]
    assert [(path, query) for path, query, _ in collector.asked] == [
        ("/api/v1/runs/r/metrics", {}),
        ("/api/v1/runs/r/metrics/series", {"key": ["a b"], "rank": ["1"], "points": ["9"]}),
        ("/api/v1/runs/r/metrics/aggregate", {"key": ["a b"], "points": ["9"]}),
    ]


def test_a_metric_that_nobody_logged_is_empty(collector: Collector, source: HttpSource) -> None:
    collector.answer = lambda path, query: NOT_FOUND if "metrics" in path else (200, {})
    assert source.series("r", "a") == []
    assert set(map(len, source.aggregate("r", "a").values())) == {0}
    collector.answer = lambda path, query: NOT_FOUND
    with pytest.raises(RunNotFoundError):
        source.series("r", "a")


def test_what_is_not_there_is_told_apart(collector: Collector, source: HttpSource) -> None:
    collector.answer = lambda path, query: NOT_FOUND
    with pytest.raises(RunNotFoundError, match="no such thing"):
        source.run("r")
    with pytest.raises(RunNotFoundError):
        source.file("r", "a")
    with pytest.raises(RunNotFoundError):
        source.records("r", "a")
    collector.answer = lambda path, query: NOT_FOUND if "files" in path else (200, {})
    with pytest.raises(RunFileError, match="has no file 'a'"):
        source.file("r", "a")


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ((401, {}), UnreachableError, "RANKLOG_TOKEN"),
        ((400, {"error": {"message": "bad rank"}}), UserError, "bad rank"),
        ((500, b"<html>oops"), UnreachableError, "500"),
        ((200, b"<html>hello"), UnreachableError, "like a collector"),
        ((200, b"[1]"), UnreachableError, "like a collector"),
    ],
)
def test_every_refusal_says_what_is_wrong(
    collector: Collector, source: HttpSource, answer: Answer, error: type[Exception], words: str
) -> None:
    collector.answer = lambda path, query: answer
    with pytest.raises(error, match=words):
        source.run("r")


def test_a_collector_that_is_being_started_again_is_asked_again(collector: Collector, source: HttpSource) -> None:
    collector.answer = lambda path, query: (503, {}) if len(collector.asked) < 3 else (200, {"run_id": "r"})
    assert source.run("r") == {"run_id": "r"}
    assert len(collector.asked) == 3


def test_a_collector_that_is_not_there_is_said_to_be_so(collector: Collector) -> None:
    collector.server.server_close()
    with pytest.raises(UnreachableError, match=r"no collector answers at http://127\.0\.0\.1"):
        HttpSource(collector.url, retry_s=0.0).runs()
