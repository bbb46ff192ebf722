"""A disk that fills up pauses agents; when there is room again they go on, and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ranklog_collector.core import journal
from tests.support.collector_agent import Agent, deliver, hello
from tests.support.collector_process import CollectorProcess
from tests.system.conftest import require

DISK_BYTES = 16 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)], capture_output=True, check=False
    )
    require("cannot mount a small file system" if mounted.returncode else None)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def collector(tmp_path: Path, small_disk: Path) -> Iterator[CollectorProcess]:
    process = CollectorProcess(tmp_path, small_disk / "runs")
    process.start()
    yield process
    process.kill()


def fill(disk: Path, leave: int) -> Path:
    """Leave only so many bytes free."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    # The collector writes too: there may be less than there was a moment ago.
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        file.write(bytes(max(0, free - leave)))
    return filler


def kinds(run: Path) -> list[str]:
    return [entry.kind for entry in journal.read((run / ".ranklog/journal/events.jsonl").read_bytes())[0]]


def test_a_full_disk_pauses_and_a_freed_one_resumes(collector: CollectorProcess, small_disk: Path) -> None:
    content = random.Random(1).randbytes(4 << 20)
    run = collector.root / "default/r1"

    async def story() -> None:
        async with Agent(collector.address) as agent:
            await agent.open(1)
            await agent.append(1, content, 0, 1 << 20)
            await agent.durable(1, 1 << 20)
            filler = fill(small_disk, 512 << 10)
            await agent.append(1, content, 1 << 20, 2 << 20)
            await agent.until(lambda: agent.paused == {1})
            # What comes meanwhile is not kept; facts and new segments wait.
            await agent.append(1, content, 1 << 20, 2 << 20)
            await agent.open(2, name="logs/b.log")
            assert agent.paused == {1, 2}
            await agent.process("0-1", started=b'{"pid": 1}')
            await agent.heartbeat()
            await agent.until(lambda: any(said.HasField("clock") for said in agent.said))
            assert not agent.facts
            os.unlink(filler)
            await agent.until(lambda: not agent.paused)
            assert (agent.resumed[1].offset, agent.resumed[1].round) == (1 << 20, 1)
            await agent.until(lambda: "0-1" in agent.facts)
            await agent.append(1, content, 1 << 20, len(content))
            await agent.close(1, content)
            await agent.append(2, b"second", 0, 6)
            await agent.close(2, b"second")
            await agent.closed(1)
            await agent.closed(2)

    asyncio.run(asyncio.wait_for(story(), 60))
    assert collector.stop() == 0
    assert (run / "logs/a.log").read_bytes() == content
    assert (run / "logs/b.log").read_bytes() == b"second"
    assert kinds(run).count("pause") == kinds(run).count("resume") == 1
    assert "paused: cannot write" in (run / "overall/execution.txt").read_text()
    assert (run / "azureml-logs/process_info.json").read_text().count("\n") == 1


@pytest.mark.parametrize("leave", [0, 100, 5_000, 300_000, 1_500_000, 3_000_000])
def test_wherever_the_disk_fills_up_under_load_every_byte_arrives(
    collector: CollectorProcess, small_disk: Path, leave: int
) -> None:
    chance = random.Random(leave)
    contents = {f"logs/{number}.log": chance.randbytes(1 << 20) for number in range(6)}
    run = collector.root / "default/r1"

    async def story() -> None:
        async with Agent(collector.address, greeting=hello(node_id="other")) as other:
            await other.ship(1, b"first", name="logs/first.log")
        filler = fill(small_disk, leave)
        delivery = asyncio.create_task(deliver(collector.address, contents, hello(), window=200_000))
        async with Agent(collector.address, greeting=hello(node_id="watcher")) as watcher:
            await watcher.open(1, name="logs/w.log")
            content = b""
            while not watcher.paused and watcher.status is None:
                content += b"more\n"
                await watcher.append(1, content, len(content) - 5, len(content), round_=0)
                await asyncio.sleep(0.01)
        os.unlink(filler)
        await asyncio.wait_for(delivery, 60)

    asyncio.run(asyncio.wait_for(story(), 100))
    assert collector.stop() == 0
    for name, content in contents.items():
        assert (run / "10.0.0.1_node0" / name).read_bytes() == content
    assert "Traceback" not in collector.log.read_text()


def test_killed_while_the_disk_is_full_it_goes_on_after_all(collector: CollectorProcess, small_disk: Path) -> None:
    content = random.Random(1).randbytes(3 << 20)

    async def story() -> None:
        async with Agent(collector.address) as agent:
            await agent.open(1)
            await agent.append(1, content, 0, 1 << 20)
            await agent.durable(1, 1 << 20)
            filler = fill(small_disk, 0)
            await agent.append(1, content, 1 << 20, 2 << 20)
            await agent.until(lambda: agent.paused == {1})
            collector.kill()
        os.truncate(filler, filler.stat().st_size - (6 << 20))
        collector.start()
        async with Agent(collector.address) as agent:
            assert (await agent.open(1)).offset == 1 << 20
            await agent.append(1, content, 1 << 20, len(content))
            await agent.close(1, content)
            await agent.closed(1)

    asyncio.run(asyncio.wait_for(story(), 60))
    assert (collector.root / "default/r1/logs/a.log").read_bytes() == content


def test_a_collector_that_starts_on_a_full_disk_turns_agents_away_until_there_is_room(
    collector: CollectorProcess, small_disk: Path
) -> None:
    async def story() -> None:
        filler = fill(small_disk, 0)
        async with Agent(collector.address) as agent:
            assert (await agent.ended()).name == "UNAVAILABLE"
            assert "No space left" in agent.details
        os.unlink(filler)
        async with Agent(collector.address) as agent:
            await agent.ship(1, b"content")

    asyncio.run(asyncio.wait_for(story(), 60))
    assert (collector.root / "default/r1/logs/a.log").read_bytes() == b"content"


def test_a_stop_while_the_disk_is_full_does_not_hang(collector: CollectorProcess, small_disk: Path) -> None:
    async def story() -> None:
        async with Agent(collector.address) as agent:
            await agent.open(1)
            filler = fill(small_disk, 0)
            content = bytes(1 << 20)
            await agent.append(1, content, 0, len(content))
            await agent.until(lambda: agent.paused == {1})
            assert await asyncio.to_thread(collector.stop) == 0
            os.unlink(filler)

    asyncio.run(asyncio.wait_for(story(), 60))
