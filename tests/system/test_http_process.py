"""The HTTP process: it belongs to its collector, comes back if it dies, and lets in who may come in."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from tests.support.collector_process import CollectorProcess
from tests.support.http_api import Api, api_of
from tests.support.pipeline import wait_until
from tests.support.ranklog_run import python, ranklog_run
from tests.support.run_writer import job

TOKEN = "sésame, ouvre-toi"
Start = Callable[..., CollectorProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a collector that serves HTTP."""
    started = []

    def begin(*options: str, http: str = "127.0.0.1:0") -> CollectorProcess:
        collector = CollectorProcess(tmp_path, None, "--http", http, *options)
        started.append(collector)
        collector.start()
        return collector

    yield begin
    for collector in started:
        collector.kill()


def served(collector: CollectorProcess, **options: object) -> Api:
    api = api_of(collector.log, **options)  # type: ignore[arg-type]
    api.await_answer()
    return api


def child_of(collector: CollectorProcess) -> psutil.Process:
    (child,) = psutil.Process(collector.pid).children()
    return child


def is_free(api: Api) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((api.host, api.port))
        except OSError:
            return False
        return True


def test_it_is_announced_and_ends_with_its_collector(start: Start) -> None:
    collector = start()
    api = served(collector)
    assert api.json("/runs") == {"runs": [], "cursor": None}
    child = child_of(collector)
    assert collector.stop() == 0
    assert not child.is_running()
    assert is_free(api)
    assert "ended with" not in collector.log.read_text()


def test_killed_it_comes_back_at_the_same_address(start: Start) -> None:
    collector = start()
    api = served(collector)
    child = child_of(collector)
    child.kill()
    wait_until(
        lambda: "the HTTP process ended with SIGKILL; it is started again" in collector.log.read_text(), "a word"
    )
    api.await_answer()
    assert child_of(collector) != child
    assert api.json("/runs")["runs"] == []


def test_standing_still_it_is_ended_and_comes_back(start: Start) -> None:
    collector = start()
    api = served(collector)
    child = child_of(collector)
    child.suspend()
    wait_until(lambda: _is_to_end(child), "the end of its own patience", 60)
    child.resume()
    wait_until(lambda: "the HTTP process ended with SIGALRM" in collector.log.read_text(), "a word", 60)
    api.await_answer()
    assert api.json("/runs")["runs"] == []


def _is_to_end(process: psutil.Process) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    pending = int(re.findall(r"ShdPnd:\s*(\w+)", status)[0], 16)
    return bool(pending >> (signal.SIGALRM - 1) & 1)


def test_it_does_not_outlive_a_collector_that_is_killed(start: Start) -> None:
    collector = start()
    api = served(collector)
    child = child_of(collector)
    collector.kill()
    wait_until(lambda: not child.is_running(), "it has ended")
    assert is_free(api)
    again = start(http=f"{api.host}:{api.port}")
    assert served(again).json("/runs")["runs"] == []


def test_stopping_waits_for_nobody_who_watches_or_loads(start: Start, tmp_path: Path) -> None:
    run, _ = job(tmp_path / "runs/default/r1", 1)
    (run.folder / "big.bin").write_bytes(bytes(50_000_000))
    collector = start()
    api = served(collector)
    links = [socket.create_connection((api.host, api.port)) for _ in range(3)]
    links[0].sendall(b"GET /api/v1/runs/r1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    links[1].sendall(b"GET /api/v1/runs/r1/files/big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200 OK" in links[0].recv(1000)
    assert b"200 OK" in links[1].recv(1000)
    child = child_of(collector)
    assert collector.stop() == 0
    assert not child.is_running()
    for link in links:
        with link, suppress(ConnectionError):
            while link.recv(1 << 20):
                pass


def test_a_collector_that_hangs_is_unwell(start: Start) -> None:
    collector = start()
    api = served(collector)
    os.kill(collector.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: api.get("//healthz").status == 503, "its silence is noticed")
        assert api.json("/runs")["runs"] == []
    finally:
        os.kill(collector.pid, signal.SIGCONT)
    wait_until(lambda: api.get("//healthz").json() == {"status": "ok"}, "it is well again")


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_with_a_token_nobody_else_is_let_in(start: Start, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    api = served(start("--token-file", str(tmp_path / "token")))
    bearer = f"Bearer {TOKEN}".encode().decode("latin-1")
    for path in ("/runs", "/openapi.json", "/nothing", "//metrics", "//", "/runs/r1/events"):
        refused = api.get(path)
        assert (refused.status, refused.code) == (401, "unauthorized")
        assert refused.headers["WWW-Authenticate"].startswith("Basic")
        assert api.get(path, Authorization=bearer).status in (200, 404)
    for wrong in (
        "Bearer",
        "Bearer ",
        "Bearer sesame",
        bearer + "x",
        basic("me", "wrong"),
        basic(TOKEN, ""),
        "Basic !",
        "Basic",
        f"Digest {TOKEN}".encode().decode("latin-1"),
        "",
    ):
        assert api.get("/runs", Authorization=wrong).status == 401
    assert api.get("/runs", Authorization=basic("anybody", TOKEN)).status == 200
    assert api.get("/runs", Authorization=bearer.replace("Bearer", "bearer"), Host="head-node").status == 200
    assert api.get("//healthz").status == 200


def test_the_token_is_not_to_be_seen_in_the_process_list(start: Start, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sesame\n")
    collector = start("--token-file", str(tmp_path / "token"))
    served(collector)
    child = child_of(collector)
    assert not any("sesame" in word for word in [*child.cmdline(), *child.environ().values()])


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def test_it_speaks_tls_with_the_collectors_certificate(start: Start, tmp_path: Path) -> None:
    openssl(
        tmp_path, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=head", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem",
    )  # fmt: skip
    collector = start("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    assert "HTTP on https://" in collector.log.read_text()
    api = served(collector, tls=ssl.create_default_context(cafile=str(tmp_path / "cert.pem")))
    assert api.json("/runs")["runs"] == []
    with pytest.raises((OSError, HTTPException)):
        Api(api.host, api.port).get("/runs")


@pytest.mark.parametrize(
    "address", ["nonsense", "127.0.0.1", ":7071", "127.0.0.1:", "127.0.0.1:99999", "no.such.host.invalid:0"]
)
def test_an_address_that_is_none_is_said_at_the_start(tmp_path: Path, address: str) -> None:
    assert "cannot listen" in refused(tmp_path, address) or "is no address" in refused(tmp_path, address)


def test_a_port_that_is_taken_is_said_at_the_start(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"cannot listen on {address} for HTTP: Address already in use" in refused(tmp_path, address)


def refused(folder: Path, address: str) -> str:
    command = [sys.executable, "-m", "ranklog", "collector", "--root", str(folder), "--grpc", "127.0.0.1:0"]
    done = subprocess.run([*command, "--http", address], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_who_listens_for_everybody_without_a_token_is_warned(start: Start) -> None:
    collector = start(http="0.0.0.0:0")
    assert "warning: 0.0.0.0:0 is open to anybody" in collector.log.read_text()
    api = api_of(collector.log)
    Api("127.0.0.1", api.port).await_answer()
    assert Api("127.0.0.1", api.port).get("/runs", Host="head-node").status == 200


ASK = """
import json, os, urllib.request
address = f"{os.environ['RANKLOG_URL']}/api/v1/runs/{os.environ['RANKLOG_RUN_ID']}"
token = os.environ.get("RANKLOG_TOKEN")
request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"} if token else {})
print(json.load(urllib.request.urlopen(request, timeout=30))["state"])
"""


@pytest.mark.parametrize("token", [None, "sesame"])
def test_a_job_under_ranklog_run_finds_its_own_run(tmp_path: Path, token: str | None) -> None:
    more = {"RANKLOG_TOKEN": token} if token else {}
    words = ("--http", "127.0.0.1:0", "-n", "2", "--", *python(ASK))
    result = ranklog_run(tmp_path, *words, more=more)
    assert result.code == 0, result.err
    assert result.out.count("running") == 2
    assert re.search(r"ranklog: HTTP on http://127\.0\.0\.1:\d+/api/v1/runs/", result.err)
    assert "open to anybody" not in result.err


def test_ranklog_run_says_who_may_read_and_what_cannot_be(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "--http", "0.0.0.0:0", "--", *python("import os; print(os.environ['RANKLOG_URL'])"))
    assert "0.0.0.0:0 is open to anybody who reaches it" in result.err
    assert "0.0.0.0" not in result.out
    refused = ranklog_run(tmp_path, "--http", "nonsense", "--", "true")
    assert refused.code == 2
    assert "'nonsense' is no address" in refused.err
