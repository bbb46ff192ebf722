"""`ranklog collector` as people start and stop it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from ranklog_collector.reading.folder import RunFolder
from tests.support.collector_agent import Agent, hello
from tests.support.collector_process import CollectorProcess

COLLECTOR = [sys.executable, "-m", "ranklog", "collector"]


def refused(*options: str) -> str:
    """What the command says instead of starting."""
    done = subprocess.run([*COLLECTOR, *options], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def poll(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """An authority, the collector's and an agent's certificate of it."""
    folder = tmp_path / "pki"
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    openssl(*new, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("server", "client"):
        openssl(
            *new, "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem",
        )  # fmt: skip
    return folder


def test_it_says_where_it_listens_and_ends_in_order(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path)
    collector.start()
    assert re.search(
        rf"ready on {collector.address}, run folders are below {collector.root}", collector.log.read_text()
    )
    assert "warning" not in collector.log.read_text()
    assert collector.stop() == 0


def test_an_open_port_for_everybody_is_warned_about(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path, None, "--grpc", "0.0.0.0:0")
    collector.start()
    collector.stop()
    assert "warning: 0.0.0.0:0 is open to anybody" in collector.log.read_text()
    token = tmp_path / "token"
    token.write_text("sesame\n")
    guarded = CollectorProcess(tmp_path, None, "--grpc", "0.0.0.0:0", "--token-file", str(token))
    collector.log.unlink()
    guarded.start()
    guarded.stop()
    assert "warning" not in collector.log.read_text()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path)
    collector.start()

    async def story() -> None:
        async with Agent(collector.address) as agent:
            await agent.open(1)
            os.kill(collector.pid, signal.SIGTERM)
            # On a busy machine the connection may be gone before the farewell is read.
            await agent.until(lambda: agent.farewell is not None or agent.status is not None)
            os.kill(collector.pid, signal.SIGTERM)

    asyncio.run(asyncio.wait_for(story(), 60))
    assert collector.wait() in (0, 128 + signal.SIGTERM)


STARTED = b'{"version": 1, "key": "0-7-1", "pid": 7, "start_ns": 1700000000000000000, "hostname": "node0", "rank": 0}'


def test_it_sees_a_run_through_that_is_told_to_end_with_it(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path, None, "--grace", "60")
    collector.start()

    async def story() -> None:
        async with Agent(collector.address) as agent:
            await agent.process("0-7-1", started=STARTED)
            await agent.until(lambda: "0-7-1" in agent.facts)
            os.kill(collector.pid, signal.SIGTERM)
            await agent.process("0-7-1", exited=b'{"signal": 15, "asked_signal": 15, "asked_ns": 1, "end_ns": 2}')
            await agent.until(lambda: agent.facts["0-7-1"].exited)
            await agent.goodbye()

    asyncio.run(asyncio.wait_for(story(), 60))
    assert collector.wait() == 0
    assert RunFolder(str(collector.root / "default" / "r1")).state.state == "canceled"


def test_a_second_signal_ends_its_wait_for_a_run(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path, None, "--grace", "600")
    collector.start()

    async def story() -> None:
        async with Agent(collector.address) as agent:
            await agent.process("0-7-1", started=STARTED)
            await agent.until(lambda: "0-7-1" in agent.facts)
            os.kill(collector.pid, signal.SIGTERM)
            while agent.farewell is None and agent.status is None:
                os.kill(collector.pid, signal.SIGTERM)  # those that come within a second are the same one
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(story(), 60))
    assert collector.wait() in (0, -signal.SIGTERM)
    assert RunFolder(str(collector.root / "default" / "r1")).state.state == "running"


def test_what_it_cannot_start_with_is_said_without_a_traceback(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"cannot listen on {address}" in refused("--root", str(tmp_path), "--grpc", address)
    assert "no address" in refused("--root", str(tmp_path), "--grpc", "7070")
    assert "cannot listen on" in refused("--root", str(tmp_path), "--grpc", "203.0.113.1:0")
    (tmp_path / "file").write_text("")
    assert "cannot make the folder" in refused("--root", str(tmp_path / "file/runs"), "--grpc", "127.0.0.1:0")
    assert "is empty" in refused("--token-file", str(tmp_path / "file"), "--root", str(tmp_path))
    assert "--tls-cert and --tls-key" in refused("--tls-cert", str(tmp_path / "file"), "--root", str(tmp_path))
    bad = ["--tls-cert", str(tmp_path / "file"), "--tls-key", str(tmp_path / "file")]
    assert "certificate" in refused(*bad, "--root", str(tmp_path), "--grpc", "127.0.0.1:0")
    port_file = str(tmp_path / "none/port")
    assert "cannot write" in refused("--port-file", port_file, "--root", str(tmp_path), "--grpc", "127.0.0.1:0")


def test_two_collectors_do_not_share_a_port(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path)
    collector.start()
    assert "cannot listen on" in refused("--root", str(tmp_path / "other"), "--grpc", collector.address)
    collector.stop()


def test_a_token_may_come_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKLOG_TOKEN", "sesame")
    collector = CollectorProcess(tmp_path)
    collector.start()

    async def story() -> None:
        async with Agent(collector.address) as agent:
            assert await agent.ended() is grpc.StatusCode.UNAUTHENTICATED
        async with Agent(collector.address, greeting=hello(token="sesame")) as agent:
            await agent.ship(1, b"x")

    asyncio.run(asyncio.wait_for(story(), 60))
    assert collector.stop() == 0


def test_tls_lets_in_agents_of_the_authority_only(tmp_path: Path, certificates: Path) -> None:
    files = {name: (certificates / name).read_bytes() for name in ("ca.pem", "client.pem", "client.key")}
    options = ["--tls-cert", "server.pem", "--tls-key", "server.key", "--client-ca", "ca.pem"]
    options = [str(certificates / one) if one.endswith((".pem", ".key")) else one for one in options]
    collector = CollectorProcess(tmp_path, None, *options)
    collector.start()
    known = grpc.ssl_channel_credentials(files["ca.pem"], files["client.key"], files["client.pem"])
    unknown = grpc.ssl_channel_credentials(files["ca.pem"])

    async def story() -> None:
        async with Agent(collector.address, known) as agent:
            await agent.ship(1, b"x")
        for credentials in (unknown, None):
            async with Agent(collector.address, credentials, hello(run_id="r2")) as agent:
                assert await agent.ended() is grpc.StatusCode.UNAVAILABLE

    asyncio.run(asyncio.wait_for(story(), 60))
    collector.stop()
    assert os.listdir(collector.root / "default") == ["r1"]
