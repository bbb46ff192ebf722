"""A collector that is killed, at any moment, and started again: what it then holds is what was written."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from ranklog_collector.core import journal
from tests.support.collector_agent import Agent, deliver, hello
from tests.support.collector_process import CollectorProcess


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    process = CollectorProcess(tmp_path)
    process.start()
    yield process
    process.kill()


def bytes_below(root: Path) -> int:
    """How much a collector has written, as far as can be seen while it moves files about."""
    sizes = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with suppress(FileNotFoundError):
                sizes += os.stat(os.path.join(folder, name)).st_size
    return sizes


def wait_for_bytes(root: Path, size: int, is_over: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while bytes_below(root) < size and not is_over():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments_it_has_every_byte_once(collector: CollectorProcess, seed: int) -> None:
    chance = random.Random(seed)
    contents = {
        f"node{node}": {f"logs/{name}.log": chance.randbytes(chance.randrange(3_000_000)) for name in range(4)}
        for node in range(2)
    }

    async def story() -> None:
        deliveries = [
            asyncio.create_task(
                deliver(
                    collector.address,
                    contents[node],
                    hello(node_id=node, node_ip=f"10.0.0.{number}", hostname=node),
                    window=chance.choice([100_000, 1 << 20]),
                )
            )
            for number, node in enumerate(contents, 1)
        ]

        def is_over() -> bool:
            return all(one.done() for one in deliveries)

        total = sum(len(content) for files in contents.values() for content in files.values())
        for _ in range(8):
            moment = bytes_below(collector.root) + chance.randrange(total // 8)
            await asyncio.to_thread(
                wait_for_bytes, collector.root, moment, lambda: all(one.done() for one in deliveries)
            )
            collector.kill()
            await asyncio.to_thread(collector.start)
        await asyncio.wait_for(asyncio.gather(*deliveries), 120)

    asyncio.run(story())
    assert collector.stop() == 0
    run = collector.root / "default/r1"
    for number, node in enumerate(contents, 1):
        for name, content in contents[node].items():
            assert (run / f"10.0.0.{number}" / name).read_bytes() == content
    entries, intact, _ = journal.read((run / ".ranklog/journal/events.jsonl").read_bytes())
    assert intact == (run / ".ranklog/journal/events.jsonl").stat().st_size
    assert sum(isinstance(entry, journal.Close) for entry in entries) >= 8
    assert "Traceback" not in collector.log.read_text()


def test_what_was_acknowledged_as_durable_is_still_there(collector: CollectorProcess) -> None:
    content = bytes(range(256)) * 100

    async def story() -> None:
        async with Agent(collector.address) as agent:
            await agent.open(1)
            await agent.append(1, content, 0, 10_000)
            await agent.durable(1, 10_000)
            await agent.append(1, content, 10_000, 12_000)
            await agent.process("0-1", started=b'{"pid": 1}')
            await agent.until(lambda: "0-1" in agent.facts)
            collector.kill()
        collector.start()
        async with Agent(collector.address, greeting=hello(cold=True)) as agent:
            await agent.until(lambda: any(said.known.last for said in agent.said))
            (known,) = [segment for said in agent.said for segment in said.known.segments]
            assert known.offset >= 10_000
            resume = await agent.open(1)
            assert resume.offset == known.offset
            await agent.append(1, content, resume.offset, len(content))
            await agent.close(1, content)
            await agent.closed(1)

    asyncio.run(asyncio.wait_for(story(), 60))
    assert collector.stop() == 0
    assert (collector.root / "default/r1/logs/a.log").read_bytes() == content
    assert (collector.root / "default/r1/azureml-logs/process_info.json").read_text().count("\n") == 1


def test_a_torn_journal_and_bytes_that_nobody_vouches_for_are_cut_off(collector: CollectorProcess) -> None:
    content = bytes(range(256)) * 100
    run = collector.root / "default/r1"

    async def story() -> None:
        async with Agent(collector.address) as agent:
            await agent.ship(1, content[:5000])
        collector.kill()
        with (run / "logs/a.log").open("ab") as file:
            file.write(b"torn bytes")
        with (run / ".ranklog/journal/events.jsonl").open("ab") as file:
            file.write(b'{"e":"mark","g":1,"end":99')
        (run / ".ranklog/incoming").mkdir()
        (run / ".ranklog/incoming/0123456789abcdef").write_bytes(b"stray")
        collector.start()
        async with Agent(collector.address) as agent:
            await agent.ship(2, content[5000:])

    asyncio.run(asyncio.wait_for(story(), 60))
    assert (run / "logs/a.log").read_bytes() == content
    assert not (run / ".ranklog/incoming").exists()


def test_two_collectors_never_write_one_run_folder(collector: CollectorProcess, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = CollectorProcess(tmp_path / "other", collector.root)
    other.start()

    async def story() -> None:
        async with Agent(collector.address) as first:
            await first.open(1)
            async with Agent(other.address) as second:
                assert (await second.ended()).name == "UNAVAILABLE"
                assert "another collector" in second.details
            async with Agent(other.address, greeting=hello(run_id="r2")) as third:
                await third.ship(1, b"another run")

    try:
        asyncio.run(asyncio.wait_for(story(), 60))
    finally:
        other.kill()


def test_a_restarted_collector_remembers_the_story_and_the_newest_epoch(collector: CollectorProcess) -> None:
    async def story() -> None:
        async with Agent(collector.address, greeting=hello(epoch=7)) as agent:
            await agent.ship(1, b"x")
        assert collector.stop() == 0
        collector.start()
        async with Agent(collector.address, greeting=hello(epoch=6)) as agent:
            await agent.ended()
            assert agent.farewell is not None
        async with Agent(collector.address, greeting=hello(epoch=8)) as agent:
            await agent.ship(2, b"y")

    asyncio.run(asyncio.wait_for(story(), 60))
    assert collector.stop() == 0
    told = (collector.root / "default/r1/overall/execution.txt").read_text()
    words = [line.split("  ", 1)[1] for line in told.splitlines()]
    assert words == [
        "run r1 of experiment default",
        "node node0 (10.0.0.1) has joined, ranklog test",
        "the collector was shut down",
        "node node0 (10.0.0.1): an older agent was turned away",
        "node node0 (10.0.0.1) has rejoined, ranklog test",
        "the collector was shut down",
    ]


def test_a_run_that_ended_while_no_collector_wrote_so_is_finished_by_the_next_one(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    """Nobody would ever ask for it again: its agents are gone for good."""
    key = "0-1-1"
    started = orjson.dumps({"key": key, "pid": 1, "start_ns": 1, "hostname": "node0", "rank": 0, "world_size": 1})
    exited = orjson.dumps({"key": key, "end_ns": 2, "exit_code": 0})

    async def story() -> None:
        async with Agent(collector.address, greeting=hello()) as agent:
            await agent.process(key, started=started)
            await agent.process(key, exited=exited)
            await agent.goodbye()

    asyncio.run(asyncio.wait_for(story(), 60))
    wait_for(lambda: any(tmp_path.glob("runs/*/*/run.json")))
    (about,) = tmp_path.glob("runs/*/*/run.json")
    wait_for(lambda: '"completed"' in about.read_text())
    collector.kill()
    about.write_text(about.read_text().replace('"state": "completed"', '"state": "running"'))
    collector.start()
    wait_for(lambda: '"state": "running"' not in about.read_text())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
