"""What the relay answers, to MLflow's client and to whoever else finds its port; by raw HTTP, on a real socket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ranklog import layout, relay_place, spool
from ranklog.mlflow_api.ids import experiment_id
from ranklog_agent.config import Config
from ranklog_agent.relay.relay import Relay

KEY = "3-17-5"
HERE = os.uname().nodename
JSON = dict[str, Any]


class Client:
    """One connection to the relay, for the process KEY."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.base = f"/{url.rpartition('/')[2]}/{KEY}"
        self.reader = reader
        self.writer = writer

    async def send(self, raw: bytes) -> tuple[int, bytes]:
        """Send a request as it is; gives status and content of the answer."""
        self.writer.write(raw)
        await self.writer.drain()
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return int(head.split(" ", 2)[1]), await self.reader.readexactly(length)

    async def ask(self, method: str, target: str, content: bytes = b"") -> tuple[int, bytes]:
        head = f"{method} {self.base}{target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
        return await self.send(head.encode() + content)

    async def post(self, name: str, /, **fields: Any) -> JSON:
        return self._told(await self.ask("POST", f"/api/2.0/mlflow/{name}", json.dumps(fields).encode()))

    async def get(self, target: str) -> JSON:
        return self._told(await self.ask("GET", f"/api/2.0/mlflow/{target}"))

    def _told(self, answer: tuple[int, bytes]) -> JSON:
        status, content = answer
        assert status == 200, content
        found: JSON = json.loads(content)
        return found


Talk = Callable[[Client], Awaitable[None]]


@pytest.fixture
def process(tmp_path: Path) -> str:
    """The key of a process of this node."""
    layout.prepare(str(tmp_path), "procs")
    record = {"version": 1, "key": KEY, "pid": os.getpid(), "start_ns": 5, "hostname": HERE, "rank": 3}
    spool.write_record(spool.process_path(str(tmp_path), KEY), record)
    return KEY


@pytest.fixture
def talk(tmp_path: Path, process: str) -> Callable[..., None]:
    """Run a conversation with a relay whose node has the process KEY."""

    def run(conversation: Talk, **settings: Any) -> None:
        asyncio.run(asyncio.wait_for(_talk(tmp_path, conversation, settings), 60))

    return run


async def _talk(folder: Path, conversation: Talk, settings: JSON) -> None:
    fields = {"collector": "c:1", "run_id": "r1", "experiment": "e", "node_id": HERE, "hostname": HERE, **settings}
    said: list[str] = []
    async with Relay(Config(spool=str(folder), **fields), said.append):
        url = relay_place.find(str(folder), HERE)
        assert url is not None, said
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].partition("/")[0]))
        try:
            await conversation(Client(url, reader, writer))
        finally:
            writer.close()
    assert said == []


def lines(folder: Path) -> list[JSON]:
    path = folder / "metrics" / f"{KEY}.jsonl"
    return [json.loads(text) for text in path.read_bytes().splitlines()] if path.exists() else []


# ---- MLflow's calls --------------------------------------------------------------------------------------------------


def test_what_a_rank_logs_is_in_its_file_when_it_is_answered(talk: Callable[..., None], tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        run = (await client.post("runs/create", experiment_id="0", tags=[{"key": "k", "value": "v"}]))["run"]
        assert run["info"]["run_id"] == "r1"
        assert run["info"]["experiment_id"] == experiment_id("e")
        await client.post("runs/log-metric", run_id="r1", key="m", value=0.5, timestamp=7, step=2)
        await client.post("runs/log-metric", run_uuid="r1", key="m", value="NaN", timestamp="8", step="3")
        await client.post("runs/log-parameter", run_id="r1", key="p", value="1")
        assert lines(tmp_path)[1:] == [
            {"t": 7_000_000, "k": "m", "v": 0.5, "s": 2},
            {"t": 8_000_000, "k": "m", "v": {"f": "nan"}, "s": 3},
            {**lines(tmp_path)[3], "param": {"p": "1"}},
        ]
        data = (await client.get("runs/get?run_id=r1&run_uuid=r1"))["run"]["data"]
        assert data["params"] == [{"key": "p", "value": "1"}]
        assert data["metrics"] == [{"key": "m", "value": "NaN", "timestamp": 8, "step": 3}]
        page = await client.get("metrics/get-history?run_id=r1&metric_key=m&max_results=1")
        assert [one["value"] for one in page["metrics"]] == [0.5]
        rest = await client.get(f"metrics/get-history?run_id=r1&metric_key=m&page_token={page['next_page_token']}")
        assert [one["value"] for one in rest["metrics"]] == ["NaN"]
        assert "next_page_token" not in rest

    talk(conversation)


def test_a_run_that_a_launcher_owns_stays_as_the_launcher_says(talk: Callable[..., None]) -> None:
    async def conversation(client: Client) -> None:
        info = (await client.post("runs/update", run_id="r1", status="FAILED", end_time=5, run_name="mine"))["run_info"]
        assert (info["status"], info["run_name"]) == ("RUNNING", "mine")
        child = (await client.post("runs/create", experiment_id="0"))["run"]["info"]["run_id"]
        assert (await client.post("runs/update", run_id=child, status="KILLED"))["run_info"]["status"] == "KILLED"

    talk(conversation)


def test_every_experiment_is_there(talk: Callable[..., None]) -> None:
    async def conversation(client: Client) -> None:
        created = (await client.post("experiments/create", name="mine"))["experiment_id"]
        by_name = (await client.get("experiments/get-by-name?experiment_name=mine"))["experiment"]
        by_id = (await client.get(f"experiments/get?experiment_id={created}"))["experiment"]
        assert by_name == by_id
        assert (by_name["experiment_id"], by_name["name"]) == (created, "mine")
        names = {one["name"] for one in (await client.post("experiments/search", max_results=5))["experiments"]}
        assert names == {"Default", "e", "mine"}

    talk(conversation)


def test_what_makes_no_sense_is_refused_in_mlflows_form(talk: Callable[..., None], tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        for fields, code in (
            ({"run_id": "r1", "key": "a?", "value": 1, "timestamp": 1}, "INVALID_PARAMETER_VALUE"),
            ({"key": "a", "value": 1, "timestamp": 1}, "INVALID_PARAMETER_VALUE"),
            ({"run_id": ["r1"], "key": "a"}, "INVALID_PARAMETER_VALUE"),
            ({"run_id": "another", "key": "a", "value": 1, "timestamp": 1}, "NOT_IMPLEMENTED"),
        ):
            status, content = await client.ask("POST", "/api/2.0/mlflow/runs/log-metric", json.dumps(fields).encode())
            assert status in (400, 501)
            assert json.loads(content)["error_code"] == code
        for raw in (b"", b"nonsense", b"[]", b"\xff", b'{"run_id":"r1","metrics":7}', b'{"run_id":"r1","tags":[1]}'):
            status, content = await client.ask("POST", "/api/2.0/mlflow/runs/log-batch", raw)
            assert (status, json.loads(content)["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), raw
        assert lines(tmp_path) == []

    talk(conversation)


# ---- files -----------------------------------------------------------------------------------------------------------


def test_files_are_stored_listed_and_given_back(talk: Callable[..., None], tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        base, content = "/api/2.0/mlflow-artifacts/artifacts/5/r1/artifacts", os.urandom(700_000)
        assert await client.ask("PUT", f"{base}/model/big%20one.bin", content) == (200, b"{}")
        assert (tmp_path / "artifacts" / KEY / "outputs" / "model" / "big one.bin").read_bytes() == content
        assert await client.ask("GET", f"{base}/model/big%20one.bin") == (200, content)
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (content[:10], content[10:])) + b"0\r\n\r\n"
        head = f"PUT {client.base}{base}/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        assert await client.send(head + chunks) == (200, b"{}")
        assert (tmp_path / "artifacts" / KEY / "outputs" / "b").read_bytes() == content
        _, told = await client.ask("GET", "/api/2.0/mlflow-artifacts/artifacts?path=5/r1/artifacts")
        assert json.loads(told)["files"] == [
            {"path": "b", "is_dir": False, "file_size": len(content)},
            {"path": "model", "is_dir": True},
        ]
        assert {line.get("artifact") for line in lines(tmp_path)} == {"outputs/model/big one.bin", "outputs/b"}

    talk(conversation)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "%2e%2e/x", "a/.x", ".x", "%00"])
def test_no_file_leads_out_of_the_run(path: str, talk: Callable[..., None], tmp_path: Path) -> None:
    async def conversation(client: Client) -> None:
        target = f"/api/2.0/mlflow-artifacts/artifacts/5/r1/artifacts/{path}"
        status, content = await client.ask("PUT", target, b"x" * 100)
        assert (status, json.loads(content)["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert (await client.ask("GET", target))[0] == 400
        assert await client.ask("GET", "/health") == (200, b"OK"), "the connection goes on"

    talk(conversation)
    assert not list(tmp_path.glob("artifacts/**/*"))


# ---- the collector ---------------------------------------------------------------------------------------------------


def test_what_the_spool_does_not_have_is_asked_of_the_collector_with_the_token(tmp_path: Path, process: str) -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmine")
        writer.close()

    async def all_of_it() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]

            async def conversation(client: Client) -> None:
                assert await client.ask("POST", "/api/2.0/mlflow/runs/search", b"{}") == (200, b"mine")
                assert await client.reader.read() == b"", "the answer ends the connection"

            await _talk(tmp_path, conversation, {"url": f"http://127.0.0.1:{port}/base", "token": "secret"})

    asyncio.run(asyncio.wait_for(all_of_it(), 60))
    (request,) = heard
    assert request.startswith(b"POST /base/api/2.0/mlflow/runs/search HTTP/1.1\r\n")
    assert b"authorization: Bearer secret\r\n" in request
    assert request.endswith(b"{}")


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    [({}, 501, "NOT_IMPLEMENTED"), ({"url": "http://127.0.0.1:9"}, 503, "TEMPORARILY_UNAVAILABLE")],
)
def test_without_a_collector_it_is_said_what_is_missing(
    settings: JSON, status: int, code: str, talk: Callable[..., None]
) -> None:
    async def conversation(client: Client) -> None:
        found, content = await client.ask("POST", "/api/2.0/mlflow/runs/search", b"{}")
        assert (found, json.loads(content)["error_code"]) == (status, code)
        assert await client.ask("POST", "/api/2.0/mlflow/logged-models/search", b"{}") == (200, b"{}")

    talk(conversation, **settings)


# ---- strangers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/", "/x", f"/x/{KEY}/health", "//", "/%2e%2e/x"])
def test_who_does_not_know_the_secret_learns_nothing(target: str, talk: Callable[..., None]) -> None:
    async def conversation(client: Client) -> None:
        status, content = await client.send(f"GET {target} HTTP/1.1\r\n\r\n".encode())
        assert (status, json.loads(content)["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")

    talk(conversation)


@pytest.mark.parametrize("key", ["0-1-1", "..", "x" * 300, "%2e%2e%2fx", ""])
def test_a_key_that_no_process_has_is_none(key: str, talk: Callable[..., None]) -> None:
    async def conversation(client: Client) -> None:
        base = client.base.removesuffix(KEY)
        assert (await client.send(f"GET {base}{key}/health HTTP/1.1\r\n\r\n".encode()))[0] == 404

    talk(conversation)


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET http://x/ HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"GET / HTTP/1.1\r\n name: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort",
        b"\0" * 100_000,
        b"GET / HTT",
    ],
)
def test_what_is_no_http_ends_its_connection_and_nothing_else(raw: bytes, talk: Callable[..., None]) -> None:
    async def conversation(client: Client) -> None:
        host, port = client.writer.get_extra_info("peername")
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(raw)
        writer.write_eof()
        with suppress(ConnectionError):
            assert (await reader.read()).startswith((b"HTTP/1.1 4", b""))
        writer.close()
        assert await client.ask("GET", "/health") == (200, b"OK")

    talk(conversation)
