"""The dialogue of docs/reference/wire.md with a collector, over a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from zlib import crc32

import grpc

from ranklog_collector.app import serving
from ranklog_collector.config import Config
from ranklog_collector.core import journal
from ranklog_proto.v1 import ingest_pb2 as pb
from tests.support.collector_agent import Agent, hello, segment_id

CONTENT = bytes(range(256)) * 40


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def config(tmp_path: Path) -> Config:
    return Config(root=str(tmp_path), grpc="127.0.0.1:0")


def folder(tmp_path: Path) -> Path:
    return tmp_path / "default" / "r1"


def entries(tmp_path: Path) -> list[journal.Entry]:
    return journal.read((folder(tmp_path) / ".ranklog/journal/events.jsonl").read_bytes())[0]


def test_bytes_of_a_segment_arrive_durably_and_its_close_is_confirmed(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            assert agent.welcome is not None
            assert agent.welcome.run_folder == str(folder(tmp_path))
            resume = await agent.open(1)
            assert (resume.offset, resume.crc32, resume.round) == (0, 0, 0)
            await agent.append(1, CONTENT, 0, 5000)
            await agent.durable(1, 5000)
            await agent.append(1, CONTENT, 5000, len(CONTENT))
            await agent.close(1, CONTENT)
            await agent.closed(1)

    run(story())
    assert (folder(tmp_path) / "logs/a.log").read_bytes() == CONTENT
    kinds = [entry.kind for entry in entries(tmp_path)]
    assert kinds.index("stream") < kinds.index("segment") < kinds.index("extent") < kinds.index("mark")
    assert kinds.count("close") == 1
    assert kinds[-1] == "stopped"


def test_a_replay_is_acknowledged_and_one_that_straddles_is_trimmed(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.open(1)
            await agent.append(1, CONTENT, 0, 5000)
            await agent.append(1, CONTENT, 0, 5000)
            await agent.append(1, CONTENT, 1000, 2000)
            await agent.append(1, CONTENT, 4000, 9000)
            await agent.durable(1, 9000)
            assert agent.resumes == [pb.Resume(handle=1)]

    run(story())
    assert (folder(tmp_path) / "logs/a.log").read_bytes() == CONTENT[:9000]


def test_chunks_that_would_leave_a_hole_cost_one_resume(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.open(1)
            await agent.append(1, CONTENT, 0, 1000)
            for start in range(2000, 6000, 1000):
                await agent.append(1, CONTENT, start, start + 1000, round_=0)
            await agent.until(lambda: len(agent.resumes) == 2)
            resume = agent.resumed[1]
            assert (resume.offset, resume.round) == (1000, 1)
            await agent.append(1, CONTENT, 1000, len(CONTENT))
            await agent.durable(1, len(CONTENT))
            assert len(agent.resumes) == 2

    run(story())
    assert (folder(tmp_path) / "logs/a.log").read_bytes() == CONTENT


def test_bytes_that_do_not_continue_the_checksum_are_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.open(1)
            await agent.append(1, CONTENT, 0, 1000)
            other = b"x" * len(CONTENT)
            await agent.append(1, other, 1000, 2000)
            await agent.until(lambda: len(agent.resumes) == 2)
            assert agent.resumed[1].offset == 1000
            await agent.append(1, CONTENT, 1000, 2000)
            await agent.durable(1, 2000)

    run(story())
    assert (folder(tmp_path) / "logs/a.log").read_bytes() == CONTENT[:2000]


def test_a_close_that_disagrees_is_answered_with_resume(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.open(1)
            await agent.append(1, CONTENT, 0, 1000)
            await agent.close(1, CONTENT)
            await agent.until(lambda: len(agent.resumes) == 2)
            assert agent.resumed[1].offset == 1000
            await agent.append(1, CONTENT, 1000, len(CONTENT))
            await agent.close(1, CONTENT)
            await agent.closed(1)

    run(story())


def test_segments_of_a_stream_follow_each_other_in_one_file(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.ship(1, b"first generation\n")
            await agent.ship(2, b"second generation\n")
            await agent.ship(3, b"")

    run(story())
    assert (folder(tmp_path) / "logs/a.log").read_bytes() == b"first generation\nsecond generation\n"


def test_an_empty_source_is_an_empty_file(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.ship(1, b"", name="logs/empty.log")
            await agent.ship(2, b"", name="outputs/empty.bin", role="ROLE_OUTPUT_FILE")

    run(story())
    assert (folder(tmp_path) / "logs/empty.log").read_bytes() == b""
    assert (folder(tmp_path) / "outputs/empty.bin").read_bytes() == b""


def test_a_broken_connection_goes_on_where_the_collector_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            async with Agent(collector.address) as agent:
                await agent.open(1)
                await agent.append(1, CONTENT, 0, 1000)
                await agent.received(1, 1000)
            async with Agent(collector.address) as agent:
                resume = await agent.open(7, segment=segment_id(1))
                assert resume.offset == 1000
                await agent.append(7, CONTENT, 1000, len(CONTENT))
                await agent.close(7, CONTENT)
                await agent.closed(7)

    run(story())
    assert (folder(tmp_path) / "logs/a.log").read_bytes() == CONTENT


def test_a_closed_segment_may_be_taken_up_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.ship(1, CONTENT[:1000])
            await agent.append(1, CONTENT, 1000, 2000)  # ignored: the handle is free
            resume = await agent.open(2, segment=segment_id(1))
            assert resume.offset == 1000
            await agent.append(2, CONTENT, 1000, 2000)
            await agent.close(2, CONTENT[:2000])
            await agent.closed(2)

    run(story())
    assert (folder(tmp_path) / "logs/a.log").read_bytes() == CONTENT[:2000]


def test_a_cold_agent_is_told_all_that_is_held_of_its_node(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            async with Agent(collector.address) as agent:
                await agent.open(1)
                await agent.append(1, CONTENT, 0, 6000)
                await agent.durable(1, 6000)
                await agent.ship(2, b"short", name="logs/b.log")
                await agent.ship(3, b"old", role="ROLE_OUTPUT_FILE", name="outputs/c", snapshot=True)
                await agent.ship(4, b"new one", role="ROLE_OUTPUT_FILE", name="outputs/c", snapshot=True)
            async with Agent(collector.address, greeting=hello(node_id="node1", node_ip="10.0.0.2")) as other:
                await other.ship(1, b"not theirs")
            async with Agent(collector.address, greeting=hello(cold=True)) as agent:
                await agent.until(lambda: any(one.known.last for one in agent.said))
                known = {one.segment: one for said in agent.said for one in said.known.segments}
        assert sorted(known) == [segment_id(number) for number in (1, 2, 4)]
        first = known[segment_id(1)]
        assert (first.offset, first.closed, first.tail_length) == (6000, False, 4096)
        assert first.tail_crc32 == crc32(CONTENT[6000 - 4096 : 6000])
        assert first.stream == pb.Stream(role="ROLE_LOG", name="logs/a.log")
        assert first.evidence.path == "/source/logs/a.log"
        assert (known[segment_id(2)].offset, known[segment_id(2)].closed) == (5, True)
        assert (known[segment_id(4)].tail_length, known[segment_id(4)].snapshot) == (7, True)

    run(story())


def test_a_snapshot_replaces_its_streams_file_when_it_is_closed(tmp_path: Path) -> None:
    path = folder(tmp_path) / "outputs/state.json"

    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            stream = {"role": "ROLE_OUTPUT_FILE", "name": "outputs/state.json"}
            await agent.ship(1, b"a long first version", snapshot=True, **stream)
            assert path.read_bytes() == b"a long first version"
            await agent.open(2, snapshot=True, **stream)
            await agent.append(2, b"short", 0, 3)
            await agent.durable(2, 3)
            assert path.read_bytes() == b"a long first version"
            await agent.append(2, b"short", 3, 5)
            await agent.close(2, b"short")
            await agent.closed(2)
            assert path.read_bytes() == b"short"
            # Confirmed once more after a reconnection.
            resume = await agent.open(3, segment=segment_id(2), snapshot=True, **stream)
            assert resume.offset == 5
            await agent.close(3, b"short")
            await agent.closed(3)

    run(story())
    assert not (folder(tmp_path) / ".ranklog/incoming").exists()


def test_a_newer_agent_fences_the_older_one_and_no_other_way_round(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address, greeting=hello(epoch=5)) as old:
            await old.open(1)
            await old.append(1, CONTENT, 0, 1000)
            await old.received(1, 1000)
            async with Agent(collector.address, greeting=hello(epoch=6)) as new:
                await old.ended()
                assert old.farewell == pb.Farewell.FENCED
                assert (await new.open(1)).offset == 1000
                async with Agent(collector.address, greeting=hello(epoch=5)) as again:
                    await again.ended()
                    assert again.welcome is None
                    assert again.farewell == pb.Farewell.FENCED
                await new.append(1, CONTENT, 1000, 2000)
                await new.durable(1, 2000)

    run(story())
    assert [entry.event for entry in entries(tmp_path) if isinstance(entry, journal.Node)][:3] == [
        "joined",
        "rejoined",
        "fenced",
    ]


def test_a_gap_is_recorded_once(tmp_path: Path) -> None:
    gap = pb.Gap(handle=1, offset=100, end=300, reason="truncated")

    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.open(1)
            for _ in range(3):
                await agent.say(pb.FromAgent(gap=gap))
            await agent.say(pb.FromAgent(gap=pb.Gap(handle=1, offset=500, unknown=True, reason="vanished")))
            await agent.ship(2, b"x", name="logs/b.log")

    run(story())
    found = [(one.at, one.end, one.reason) for one in entries(tmp_path) if isinstance(one, journal.Gap)]
    assert found == [(100, 300, "truncated"), (500, None, "vanished")]


def test_facts_about_processes_are_acknowledged_and_told_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            started = b'{"pid": 7, "rank": 0, "world_size": 1, "start_ns": 1700000000000000000}'
            for _ in range(2):
                await agent.process("0-7-1", started=started)
                await agent.until(lambda: "0-7-1" in agent.facts)
                assert agent.facts.pop("0-7-1").started
            await agent.process("0-7-1", exited=b'{"exit_code": 0, "end_ns": 1700000001000000000}')
            await agent.until(lambda: "0-7-1" in agent.facts and agent.facts["0-7-1"].exited)
            await agent.goodbye()
            assert await collector.wait_run_ended("r1") == "completed"

    run(story())
    facts = [one.event for one in entries(tmp_path) if isinstance(one, journal.Process)]
    assert facts == ["started", "exited"]
    lines = (folder(tmp_path) / "azureml-logs/process_status.json").read_text().splitlines()
    statuses = [(one["process_name"], one["status"]) for one in map(json.loads, lines)]
    assert statuses == [("rank_0", "Started"), ("rank_0", "Completed"), ("*", "Completed")]


def test_a_heartbeat_is_answered_with_the_collectors_clock(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            await agent.heartbeat()
            await agent.until(lambda: any(one.HasField("clock") for one in agent.said))
            clock = next(one.clock for one in agent.said if one.HasField("clock"))
            assert clock.agent_time == 1
            assert 0 < clock.received_time <= clock.sent_time
            await agent.heartbeat(offset_ns=2_000_000_000, error_ns=1000)
            await agent.ship(1, b"x")

    run(story())
    assert "warning: the clock of node node0 is 2.000 s" in (folder(tmp_path) / "overall/execution.txt").read_text()


def test_at_a_shutdown_agents_are_told_and_everything_is_durable(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            agent = Agent(collector.address)
            await agent.__aenter__()
            await agent.open(1)
            await agent.append(1, CONTENT, 0, 5000)
            await agent.received(1, 5000)
        await agent.ended()
        assert agent.farewell == pb.Farewell.SHUTTING_DOWN
        assert agent.status is grpc.StatusCode.OK
        await agent.hang_up()
        async with serving(config(tmp_path)) as collector, Agent(collector.address) as agent:
            assert (await agent.open(1)).offset == 5000

    run(story())
