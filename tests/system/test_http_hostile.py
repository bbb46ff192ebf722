"""The HTTP API does not care who asks what: it answers in words, tells nobody what is not theirs, and stays there."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collector_process import CollectorProcess
from tests.support.http_api import Api, api_of
from tests.support.run_writer import RunWriter, job

SECRET = "nobody's business"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile") / "runs"
    run, (stream,) = job(root / "default" / "r1", 1)
    run.write(stream, b"hello\n" * 1000)
    (root / "secret.txt").write_text(SECRET)
    (run.folder / "link.txt").symlink_to(root / "secret.txt")
    (run.folder / "outside").symlink_to(root)
    (run.folder / "page.html").write_text("<script>alert(1)</script>")
    (run.folder / "picture.svg").write_text("<svg/>")
    (run.folder / "50% ä #?.txt").write_text("odd name")
    run.end()
    RunWriter(root / "default" / "r10", run_id="r10")
    return root


@pytest.fixture(scope="module")
def api(root: Path) -> Iterator[Api]:
    collector = CollectorProcess(root.parent, root, "--http", "127.0.0.1:0")
    collector.start()
    try:
        api = api_of(collector.log)
        api.await_answer()
        yield api
        assert "Traceback" not in collector.log.read_text()
    finally:
        collector.kill()


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "%2e%2e%2f%2e%2e%2fsecret.txt",
        "azureml-logs/../../../secret.txt",
        "./azureml-logs/70_driver_log_0.txt",
        "azureml-logs//70_driver_log_0.txt",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "link.txt",
        "outside/secret.txt",
        "outside",
        "azureml-logs",
        "",
        "a%00b",
        "%00",
        "%ff%fe",
        "x" * 5000,
        "%25%32%65%25%32%65/secret.txt",
    ],
)
def test_no_path_leads_out_of_the_run_folder(api: Api, path: str) -> None:
    answer = api.get(f"/runs/r1/files/{path}")
    assert (answer.status, answer.code) == (404, "not_found")
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize("run", ["..", "%2e%2e", "nix", "a%00b", "%2f", "default%2f..", "x" * 3000, "%ff", "r1%0a"])
@pytest.mark.parametrize("resource", ["", "/files", "/logs", "/events", "/metrics", "/archive"])
def test_a_run_is_a_name_and_never_a_path(api: Api, run: str, resource: str) -> None:
    answer = api.get(f"/runs/{run}{resource}")
    assert answer.status == 404, answer.body
    assert answer.headers["Content-Type"] == "application/json"


def test_a_name_that_may_be_several_runs_is_a_conflict(api: Api) -> None:
    answer = api.get("/runs/r")
    assert (answer.status, answer.code) == (409, "conflict")
    assert api.json("/runs/r1")["run_id"] == "r1"


@pytest.mark.parametrize(
    "query",
    [
        "logs?limit=0",
        "logs?limit=10001",
        "logs?limit=-1",
        "logs?limit=x",
        "logs?limit=99999999999999999999999",
        "logs?cursor=x",
        "logs?cursor=AQ",
        "logs?grep=(",
        "logs?grep=%28%3F%50%3C",
        "logs?grep=(a)%5C1",
        "logs?grep=(%3F%3C!a)b",
        "logs?rank=0x1",
        "logs?since=never",
        "logs?tail=1&grep=x",
        "logs?grep=" + "x" * 5000,
        "metrics/records?cursor=x",
        "metrics/records?rank=-1",
        "metrics/series",
        "metrics/series?key=x&points=1",
        "metrics/series?key=x&x=sideways",
        "metrics/aggregate?key=x&by=rank",
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(api: Api, query: str) -> None:
    answer = api.get(f"/runs/r1/{query}")
    assert (answer.status, answer.code) == (400, "bad_request"), answer.body
    assert answer.json()["error"]["message"]


def test_odd_names_are_files_like_others_and_no_page_is_ever_run(api: Api) -> None:
    odd = api.get("/runs/r1/files/50%25%20%C3%A4%20%23%3F.txt")
    assert (odd.status, odd.body) == (200, b"odd name")
    assert "filename*=UTF-8''50%25%20%C3%A4%20%23%3F.txt" in odd.headers["Content-Disposition"]
    for name in ("page.html", "picture.svg"):
        page = api.get(f"/runs/r1/files/{name}")
        assert page.headers["Content-Type"] == "application/octet-stream"
        assert page.headers["Content-Disposition"].startswith("attachment")
        assert "sandbox" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "NONSENSE"])
def test_nothing_can_be_done_but_reading(api: Api, method: str) -> None:
    answer = api.get("/runs", method=method, Origin="http://evil.example")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/nothing", "//", "//docs", "//api", "/runs/", "//api/v1//runs", "/docs"])
def test_what_is_not_there_is_said_so(api: Api, path: str) -> None:
    assert api.get(path).code == "not_found"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /api/v1/runs?" + b"q" * 10_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/v1/runs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"\r\n" * 1000 + b"x" * 100_000,
        b"\0" * 100_000,
    ],
)
def test_what_is_no_request_ends_its_own_connection(api: Api, data: bytes) -> None:
    heard = api.say(data)
    assert not heard or b'"code":"bad_request"' in heard, heard[:500]
    assert api.json("/runs")["runs"]


def test_who_says_nothing_is_sent_away_and_holds_nobody_up(api: Api) -> None:
    silent = [socket.create_connection((api.host, api.port)) for _ in range(50)]
    for number, link in enumerate(silent):
        link.settimeout(30)
        link.sendall(b"GET /api/v1/runs HTTP/1.1\r\nHost: loc"[: number % 40])
    began = time.monotonic()
    assert api.json("/runs")["runs"]
    assert time.monotonic() - began < 5
    for link in silent:
        with link:
            assert link.recv(100) == b""


def test_who_takes_nothing_of_an_answer_holds_nobody_up(api: Api, root: Path) -> None:
    big = root / "default" / "r1" / "big.bin"
    big.write_bytes(bytes(50_000_000))
    stalled = [socket.create_connection((api.host, api.port)) for _ in range(50)]
    for link in stalled:
        link.sendall(b"GET /api/v1/runs/r1/files/big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert len(api.get("/runs/r1/files/big.bin").body) == 50_000_000
    for link in stalled:
        link.close()
    big.unlink()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "", "[evil]"])
def test_no_web_page_can_have_its_name_lead_here(api: Api, host: str) -> None:
    assert api.get("/runs", Host=host).code == "forbidden"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:7071", "127.0.0.1", "127.0.0.1:1", "[::1]:7071", "localhost."]
)
def test_names_of_this_machine_are_answered_to(api: Api, host: str) -> None:
    assert api.get("/runs", Host=host).status == 200


@pytest.mark.parametrize("expression", ["(a%7Ca)*$", "(a%2B)%2B%24", "a.*a.*a.*a.*b"])
def test_a_hostile_search_is_answered_like_any_other(api: Api, root: Path, expression: str) -> None:
    if not (root / "default" / "evil").exists():
        run, (stream,) = job(root / "default" / "evil", 1, run_id="evil")
        run.write(stream, b"a" * 50_000 + b"!\n")
    assert api.get(f"/runs/evil/logs?grep={expression}").status == 200


def test_curl_resumes_a_download(api: Api, tmp_path: Path) -> None:
    target = tmp_path / "log"
    target.write_bytes(b"hello\n" * 500)
    url = f"http://{api.host}:{api.port}/api/v1/runs/r1/files/azureml-logs/70_driver_log_0.txt"
    subprocess.run(["curl", "-sf", "-C", "-", "-o", str(target), url], check=True)
    assert target.read_bytes() == b"hello\n" * 1000


def test_curl_names_what_it_saves(api: Api, tmp_path: Path) -> None:
    base = f"http://{api.host}:{api.port}/api/v1/runs/r1"
    for path in ("/archive?prefix=azureml-logs", "/files/50%25%20%C3%A4%20%23%3F.txt"):
        subprocess.run(["curl", "-sfOJ", base + path], check=True, cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["50% _ #?.txt", "r1.zip"]
