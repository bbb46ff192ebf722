"""Whatever is sent to a collector, the call ends with a status that says why, and everybody else is served."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_collector.app import serving
from ranklog_collector.config import Config, Limits
from ranklog_proto.framing import encode
from ranklog_proto.v1 import ingest_pb2 as pb
from tests.support.collector_agent import Agent, hello, segment_id


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def config(tmp_path: Path, **more: Any) -> Config:
    return Config(root=str(tmp_path), grpc="127.0.0.1:0", **more)


async def serves_others(address: str) -> None:
    async with Agent(address, greeting=hello(run_id="honest")) as honest:
        await honest.ship(1, b"fine")


@pytest.mark.parametrize(
    ("greeting", "status", "words"),
    [
        (hello(protocol=99), "FAILED_PRECONDITION", "protocol 1, the agent 99"),
        (hello(run_id=""), "INVALID_ARGUMENT", "run id"),
        (hello(run_id="../../etc"), "INVALID_ARGUMENT", "run id"),
        (hello(run_id=".ranklog"), "INVALID_ARGUMENT", "run id"),
        (hello(run_id="r" * 200), "INVALID_ARGUMENT", "run id"),
        (hello(experiment="a/b"), "INVALID_ARGUMENT", "experiment"),
        (hello(node_id=""), "INVALID_ARGUMENT", "node id"),
        (hello(node_id="a\nb"), "INVALID_ARGUMENT", "node id"),
        (hello(node_ip="../.."), "INVALID_ARGUMENT", "IP address"),
        (hello(node_ip=""), "INVALID_ARGUMENT", "IP address"),
        (hello(hostname="\x1b[2J"), "INVALID_ARGUMENT", "host name"),
    ],
)
def test_a_hello_that_cannot_be_is_answered_with_the_reason(
    tmp_path: Path, greeting: pb.Hello, status: str, words: str
) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            async with Agent(collector.address, greeting=greeting) as agent:
                assert (await agent.ended()).name == status
                assert words in agent.details
            await serves_others(collector.address)

    run(story())


def test_only_who_knows_the_token_is_let_in(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path, token="sesame")) as collector:
            for token in ("", "sesam", "sesame2", "ßesame"):
                async with Agent(collector.address, greeting=hello(token=token)) as agent:
                    assert await agent.ended() is grpc.StatusCode.UNAUTHENTICATED
            async with Agent(collector.address, greeting=hello(token="sesame")) as agent:
                await agent.ship(1, b"x")
        assert os.listdir(tmp_path / "default") == ["r1"]

    run(story())


OPENED = pb.Open(handle=1, segment=segment_id(1), stream=pb.Stream(role="ROLE_LOG", name="a"))
BAD_MESSAGES: dict[str, bytes] = {
    "garbage": b"\xff" * 100,
    "a payload that is cut off": b"\x7a\xff\x7f" + b"x" * 10,
    "a second hello": encode(pb.FromAgent(hello=hello())),
    "nothing": encode(pb.FromAgent()),
    "a handle that was never opened": encode(pb.FromAgent(append=pb.Append(chunks=[pb.Chunk(handle=9)]))),
    "a close of nothing": encode(pb.FromAgent(close=pb.Close(handle=9))),
    "no role": encode(pb.FromAgent(open=pb.Open(handle=2, segment=segment_id(2)))),
    "a role from the future": encode(pb.FromAgent(open=pb.Open(handle=2, stream=pb.Stream(role=99)))),  # type: ignore[arg-type]
    "a bad segment id": encode(pb.FromAgent(open=pb.Open(handle=2, segment="../x", stream=OPENED.stream))),
    "a bad process key": encode(
        pb.FromAgent(open=pb.Open(handle=2, segment=segment_id(2), stream=pb.Stream(role=1, process="../x")))  # type: ignore[arg-type]
    ),
    "a known segment as a snapshot": encode(
        pb.FromAgent(open=pb.Open(handle=2, segment=segment_id(1), stream=OPENED.stream, snapshot=True))
    ),
    "chunks longer than the payload": encode(
        pb.FromAgent(append=pb.Append(chunks=[pb.Chunk(handle=1, length=4_000_000_000)])), b"x"
    ),
    "a chunk at the end of the world": encode(
        pb.FromAgent(append=pb.Append(chunks=[pb.Chunk(handle=1, offset=2**64 - 1, length=1)])), b"x"
    ),
    "a chunk seen beyond its end": encode(
        pb.FromAgent(append=pb.Append(chunks=[pb.Chunk(handle=1, length=1, seen=[pb.Seen(end=5, time=1)])])), b"x"
    ),
    "a gap at the end of the world": encode(pb.FromAgent(gap=pb.Gap(handle=1, offset=2**64 - 1, unknown=True))),
    "a process without a fact": encode(pb.FromAgent(process=pb.Process(key="0-1"))),
    "a process with a bad key": encode(pb.FromAgent(process=pb.Process(key="../..", started=b"{}"))),
    "a record that is no JSON": encode(pb.FromAgent(process=pb.Process(key="0-1", started=b"{"))),
    "a record that is no object": encode(pb.FromAgent(process=pb.Process(key="0-1", started=b"[]"))),
    "a record of great depth": encode(
        pb.FromAgent(process=pb.Process(key="0-1", started=b'{"a":' + b"[" * 500 + b"]" * 500 + b"}"))
    ),
    "a record of great size": encode(
        pb.FromAgent(process=pb.Process(key="0-1", started=b'{"a":"' + b"x" * 300_000 + b'"}'))
    ),
    "a huge goodbye": encode(pb.FromAgent(goodbye=pb.Goodbye(undelivered_bytes=2**64 - 1))),
}


@pytest.mark.parametrize("what", BAD_MESSAGES)
def test_a_message_that_cannot_be_ends_its_call_and_nothing_else(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            async with Agent(collector.address) as agent:
                await agent.say(pb.FromAgent(open=OPENED))
                await agent.until(lambda: 1 in agent.resumed)
                await agent.say_bytes(BAD_MESSAGES[what])
                assert (await agent.ended()).name in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
                assert agent.details
            async with Agent(collector.address) as agent:
                await agent.say(pb.FromAgent(open=OPENED))
                await agent.until(lambda: 1 in agent.resumed)
            await serves_others(collector.address)

    run(story())
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("first", [b"", b"\xff\xff", encode(pb.FromAgent(heartbeat=pb.Heartbeat()))])
def test_a_call_that_does_not_begin_with_hello_is_ended(tmp_path: Path, first: bytes) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            async with grpc.aio.insecure_channel(collector.address) as channel:
                call = channel.stream_stream("/ranklog.v1.Ingest/Session")()
                await call.write(first)
                assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
                other = channel.stream_stream("/ranklog.v1.Ingest/Session")()
                await other.done_writing()
                assert await other.code() is grpc.StatusCode.INVALID_ARGUMENT
            await serves_others(collector.address)

    run(story())


def test_what_is_no_grpc_at_all_disturbs_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            host, _, port = collector.address.partition(":")
            for noise in (b"GET / HTTP/1.0\r\n\r\n", b"\0" * 1000, b""):
                with socket.create_connection((host, int(port))) as connection:
                    connection.sendall(noise)
            await serves_others(collector.address)

    run(story())


NAMES = [
    "../../outside",
    "/etc/passwd",
    "a/../../../outside",
    ".ranklog/journal/events.jsonl",
    ".ranklog/lock",
    "run.json",
    "azureml-logs/process_status.json",
    "overall/execution.txt",
    "nul\0byte",
    "new\nline",
    "x" * 4000,
    "/".join(["deep"] * 800),
    "..",
    "",
    "trailing./dots..",
    "\u202egnp.exe",
    "azureml-logs",
]


@pytest.mark.parametrize("role", ["ROLE_LOG", "ROLE_OUTPUT_FILE", "ROLE_AZUREML_LOG"])
def test_hostile_names_stay_in_the_run_folder_and_off_its_own_files(tmp_path: Path, role: str) -> None:
    root = tmp_path / "root"

    async def story() -> None:
        async with serving(config(root)) as collector, Agent(collector.address) as agent:
            for handle, name in enumerate(NAMES, 1):
                await agent.ship(handle, b"content %d" % handle, name=name, role=role)

    run(story())
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert os.listdir(root) == ["default"]
    assert os.listdir(root / "default") == ["r1"]
    folder = root / "default/r1"
    contents = [
        path.read_bytes() for path in folder.rglob("*") if path.is_file() and folder / ".ranklog" not in path.parents
    ]
    assert all(b"content %d" % handle in contents for handle in range(1, len(NAMES) + 1))


@pytest.mark.parametrize("planted", ["logs", "logs/a.log"])
def test_links_in_a_run_folder_lead_no_write_out_of_it(tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.log").write_bytes(b"precious")
    link = tmp_path / "default/r1" / planted
    link.parent.mkdir(parents=True)
    link.symlink_to(outside / planted.removeprefix("logs").lstrip("/"))

    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.say(pb.FromAgent(open=pb.Open(handle=1, segment=segment_id(1), stream=STREAM)))
            await agent.until(lambda: 1 in agent.paused)
            link.unlink()
            await agent.until(lambda: 1 not in agent.paused)
            await agent.append(1, b"content", 0, 7)
            await agent.durable(1, 7)

    run(story())
    assert (outside / "a.log").read_bytes() == b"precious"
    assert (tmp_path / "default/r1/logs/a.log").read_bytes() == b"content"


STREAM = pb.Stream(role="ROLE_LOG", name="logs/a.log")


def test_limits_hold(tmp_path: Path) -> None:
    limits = Limits(message_bytes_max=100_000, streams_max=3, runs_max=2, sessions_max=2)

    async def story() -> None:
        async with serving(config(tmp_path, limits=limits)) as collector:
            async with Agent(collector.address) as agent:
                assert agent.welcome is not None
                assert (agent.welcome.message_bytes_max, agent.welcome.streams_max) == (100_000, 3)
                for handle in (1, 2, 3):
                    await agent.open(handle, name=f"{handle}")
                await agent.open(4, name="4")
                assert await agent.ended() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "3 streams" in agent.details
            async with Agent(collector.address) as agent:
                await agent.say_bytes(encode(pb.FromAgent(append=pb.Append()), bytes(2_000_000)))
                assert await agent.ended() is grpc.StatusCode.RESOURCE_EXHAUSTED
            async with (
                Agent(collector.address, greeting=hello(run_id="r2")),
                Agent(collector.address, greeting=hello(run_id="r3")) as third,
            ):
                assert await third.ended() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "2 runs" in third.details
            async with (
                Agent(collector.address),
                Agent(collector.address, greeting=hello(node_id="node1")),
                Agent(collector.address, greeting=hello(node_id="node2")) as third,
            ):
                assert await third.ended() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "2 agents" in third.details

    run(story())


def test_processes_nodes_and_gaps_have_limits_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path, limits=Limits(streams_max=2))) as collector:
            async with Agent(collector.address) as agent:
                for number in range(3):
                    await agent.process(f"k{number}", started=b"{}")
                assert await agent.ended() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "2 processes" in agent.details
            async with Agent(collector.address) as agent:
                await agent.open(1)
                for offset in range(1001):
                    await agent.say(pb.FromAgent(gap=pb.Gap(handle=1, offset=offset, unknown=True)))
                assert await agent.ended() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "gaps" in agent.details
            async with Agent(collector.address, greeting=hello(node_id="node1")):
                pass
            async with Agent(collector.address, greeting=hello(node_id="node2")) as agent:
                assert await agent.ended() is grpc.StatusCode.RESOURCE_EXHAUSTED
                assert "2 nodes" in agent.details

    run(story())


def test_an_agent_that_ignores_its_window_is_slowed_down_not_swallowed(tmp_path: Path) -> None:
    content = bytes(8 << 20)
    limits = Limits(window_bytes_max=64 << 10, window_bytes_min=64 << 10)

    async def story() -> None:
        async with serving(config(tmp_path, limits=limits)) as collector, Agent(collector.address) as agent:
            await agent.ship(1, content, step=256 << 10)

    run(story())
    assert (tmp_path / "default/r1/logs/a.log").read_bytes() == content


def test_many_runs_at_once(tmp_path: Path) -> None:
    async def one(address: str, number: int) -> None:
        async with Agent(address, greeting=hello(run_id=f"run{number}", experiment=f"e{number % 3}")) as agent:
            await agent.ship(1, b"%d" % number * 1000)

    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            await asyncio.gather(*(one(collector.address, number) for number in range(40)))

    run(story())
    for number in range(40):
        assert (tmp_path / f"e{number % 3}/run{number}/logs/a.log").read_bytes() == b"%d" % number * 1000


messages = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(list(BAD_MESSAGES.values())),
        st.builds(lambda data: b"\x7a" + bytes([len(data)]) + data, st.binary(max_size=40)),
        st.builds(
            lambda handle, offset, data: encode(
                pb.FromAgent(append=pb.Append(chunks=[pb.Chunk(handle=handle, offset=offset, length=len(data))])), data
            ),
            st.integers(0, 3),
            st.integers(0, 50),
            st.binary(max_size=50),
        ),
    ),
    max_size=8,
)


def test_noise_of_all_kinds_never_hurts_the_collector(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    server = serving(config(tmp_path))
    collector = loop.run_until_complete(server.__aenter__())

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(messages)
    def make_noise(noise: list[bytes]) -> None:
        async def story() -> None:
            async with Agent(collector.address) as agent:
                await agent.say(pb.FromAgent(open=OPENED))
                for message in noise:
                    await agent.say_bytes(message)
                await agent.heartbeat()
                await agent.until(lambda: agent.status is not None or any(one.HasField("clock") for one in agent.said))

        loop.run_until_complete(asyncio.wait_for(story(), 30))

    make_noise()
    loop.run_until_complete(serves_others(collector.address))
    loop.run_until_complete(server.__aexit__(None, None, None))
    loop.close()
    assert "Traceback" not in caplog.text
