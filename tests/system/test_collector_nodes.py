"""Jobs of several nodes: folders, the process files, who is lost and who is back."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from ranklog_collector.app import serving
from ranklog_collector.config import Config
from ranklog_collector.core import journal
from tests.support.collector_agent import TIMEOUT_S, Agent, hello
from tests.support.launchers import VENVS
from tests.support.programs import script
from tests.system.conftest import require

AZURE_PYTHON = VENVS / "azureml/bin/python"


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def config(tmp_path: Path) -> Config:
    return Config(root=str(tmp_path), grpc="127.0.0.1:0")


def node(number: int, **more: object) -> Any:
    return hello(node_id=f"node{number}", hostname=f"node{number}", node_ip=f"10.77.0.1{number}", **more)


def record(rank: int, **more: object) -> bytes:
    return json.dumps({"pid": 20, "rank": rank, "start_ns": 1_795_000_000_000_000_000 + rank, **more}).encode()


async def until_told(folder: Path, words: str) -> None:
    """Wait for a line of the run's own account."""
    deadline = asyncio.get_running_loop().time() + TIMEOUT_S
    path = folder / "overall/execution.txt"
    while not path.exists() or words not in path.read_text():
        assert asyncio.get_running_loop().time() < deadline, path.read_text() if path.exists() else "nothing told"
        await asyncio.sleep(0.02)


def files_below(folder: Path) -> set[str]:
    paths = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {path for path in paths if not path.startswith(".ranklog/")}


DERIVED = {"run.json", "azureml-logs/process_info.json", "azureml-logs/process_status.json", "overall/execution.txt"}


def test_a_second_node_moves_the_first_ones_files_under_its_address_while_they_grow(tmp_path: Path) -> None:
    content = os.urandom(300_000)

    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address, greeting=node(0)) as first:
            await first.open(1, role="ROLE_STDOUT", name="", process="p-20")
            await first.ship(2, b"mpirun says", role="ROLE_LAUNCHER_STDOUT", name="")
            await first.ship(3, b'{"v":1}', role="ROLE_OUTPUT_FILE", name="outputs/state.json", snapshot=True)
            await first.append(1, content, 0, 1000)
            await first.durable(1, 1000)
            assert (tmp_path / "default/r1/azureml-logs/70_driver_log.txt").stat().st_size == 1000
            for start in range(1000, len(content), 1000):
                await first.append(1, content, start, start + 1000)
                if start == 150_000:
                    async with Agent(collector.address, greeting=node(1)) as second:
                        await second.ship(1, b"of node 1", role="ROLE_STDOUT", name="", process="p-20")
            await first.close(1, content)
            await first.closed(1)
            await first.ship(5, b'{"v":2}', role="ROLE_OUTPUT_FILE", name="outputs/state.json", snapshot=True)

    run(story())
    folder = tmp_path / "default/r1"
    assert files_below(folder) == DERIVED | {
        "overall/stdout.txt",
        "10.77.0.10/azureml-logs/70_driver_log.txt",
        "10.77.0.10/outputs/state.json",
        "10.77.0.11/azureml-logs/70_driver_log.txt",
    }
    assert (folder / "10.77.0.10/azureml-logs/70_driver_log.txt").read_bytes() == content
    assert (folder / "10.77.0.10/outputs/state.json").read_bytes() == b'{"v":2}'
    entries, _, _ = journal.read((folder / ".ranklog/journal/events.jsonl").read_bytes())
    moved = [entry.path for entry in entries if isinstance(entry, journal.Path)]
    assert moved == ["10.77.0.10/azureml-logs/70_driver_log.txt", "10.77.0.10/outputs/state.json"]


def test_after_a_restart_moved_files_go_on_where_they_are(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector, Agent(collector.address, greeting=node(0)) as first:
            await first.open(1)
            await first.append(1, b"one two", 0, 3)
            await first.durable(1, 3)
            async with Agent(collector.address, greeting=node(1)) as second:
                await second.ship(1, b"x")
        async with serving(config(tmp_path)) as collector, Agent(collector.address, greeting=node(0)) as first:
            assert (await first.open(1)).offset == 3
            await first.append(1, b"one two", 3, 7)
            await first.close(1, b"one two")
            await first.closed(1)

    run(story())
    assert files_below(tmp_path / "default/r1") == DERIVED | {"10.77.0.10/logs/a.log", "10.77.0.11/logs/a.log"}
    assert (tmp_path / "default/r1/10.77.0.10/logs/a.log").read_bytes() == b"one two"


def test_a_node_that_goes_silent_is_lost_within_seconds_and_back_when_it_speaks(tmp_path: Path) -> None:
    folder = tmp_path / "default/r1"

    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            async with Agent(collector.address, greeting=node(0)) as agent:
                await agent.process("0-20-1", started=record(0))
                await agent.open(1)
                await agent.append(1, b"before after", 0, 6)
                await agent.durable(1, 6)
            await until_told(folder, "node node0 (10.77.0.10) is lost")
            assert json.loads((folder / "run.json").read_text())["nodes"][0]["state"] == "lost"
            async with Agent(collector.address, greeting=node(0)) as agent:
                await until_told(folder, "rank_0 on node node0 is back")
                assert (await agent.open(1)).offset == 6
                await agent.append(1, b"before after", 6, 12)
                await agent.durable(1, 12)

    run(story())
    assert (folder / "logs/a.log").read_bytes() == b"before after"
    entries, _, _ = journal.read((folder / ".ranklog/journal/events.jsonl").read_bytes())
    assert [one.event for one in entries if isinstance(one, journal.Node)] == ["joined", "lost", "rejoined"]


def test_an_agent_that_only_beats_its_heart_is_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "default/r1"

    async def story() -> None:
        async with (
            serving(config(tmp_path)) as collector,
            Agent(collector.address, greeting=node(0)) as alive,
            Agent(collector.address, greeting=node(1)),
        ):
            beating = asyncio.ensure_future(_beat(alive))
            await until_told(folder, "node node1 (10.77.0.11) is lost")
            assert "node node0 (10.77.0.10) is lost" not in (folder / "overall/execution.txt").read_text()
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    run(story())


async def _beat(agent: Agent) -> None:
    while True:
        await agent.heartbeat()
        await asyncio.sleep(0.5)


async def _job_of_four_ranks(address: str) -> None:
    async with Agent(address, greeting=node(0)) as first, Agent(address, greeting=node(1)) as second:
        for rank in range(4):
            agent = (first, second)[rank // 2]
            key = f"{rank}-20-1"
            started = record(rank, world_size=4, local_size=2, local_rank=rank % 2, argv=["a\u2028b", "ü"])
            await agent.process(key, started=started)
            await agent.until(lambda agent=agent, key=key: key in agent.facts)
            await agent.ship(rank + 1, b"rank %d\n" % rank, role="ROLE_STDOUT", name="", process=key)
        ends = [{"exit_code": 0}, {"signal": 15}, {"signal": 9, "signal_name": "SIGKILL"}]
        for rank, end in enumerate(ends):
            exited = json.dumps({"end_ns": 1_795_000_010_000_000_000, **end}).encode()
            agent, key = (first, second)[rank // 2], f"{rank}-20-1"
            await agent.process(key, exited=exited)
            await agent.until(lambda agent=agent, key=key: agent.facts[key].exited)
        await second.process("3-20-1", vanished=1_795_000_011_000_000_000)
        await second.until(lambda: second.facts["3-20-1"].vanished)
        await first.goodbye()
        await second.goodbye()


def test_a_job_from_its_start_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "default/r1"

    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            await _job_of_four_ranks(collector.address)
            assert await collector.wait_run_ended("r1") == "failed"

    run(story())
    logs = {f"10.77.0.1{rank // 2}/azureml-logs/70_driver_log_{rank}.txt" for rank in range(4)}
    assert files_below(folder) == DERIVED | logs
    info = [json.loads(line) for line in (folder / "azureml-logs/process_info.json").read_text().splitlines()]
    assert [one["log"] for one in info] == sorted(logs)
    assert all((folder / one["log"]).read_text() == f"rank {one['rank']}\n" for one in info)
    status = [json.loads(line) for line in (folder / "azureml-logs/process_status.json").read_text().splitlines()]
    assert [one["status"] for one in status] == [
        *["Started"] * 4,
        "Completed",
        "Terminated",
        "Failed",
        "Terminated",
        "Failed",
    ]
    assert json.loads((folder / "run.json").read_text())["state"] == "failed"


def test_azure_mls_own_parser_prints_its_table(tmp_path: Path) -> None:
    require(None if AZURE_PYTHON.exists() else "no azureml-core: script/install-test-programs brings it")

    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            await _job_of_four_ranks(collector.address)
            await collector.wait_run_ended("r1")

    run(story())
    folder = str(tmp_path / "default/r1")
    _, program = script("azureml_table.py")
    command = [str(AZURE_PYTHON), program, folder]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = table.strip().splitlines()
    assert lines[0].split()[:3] == ["Process", "Status", "Start"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["rank_0", "Completed"],
        ["rank_1", "Terminated"],
        ["rank_2", "Failed"],
        ["rank_3", "Terminated"],
    ]


def test_an_agent_without_an_experiment_finds_the_run_of_one_with(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(config(tmp_path)) as collector:
            async with Agent(collector.address, greeting=node(0, experiment="trains")) as first:
                await first.ship(1, b"x")
            async with Agent(collector.address, greeting=node(1)) as second:
                await second.ship(1, b"y")
        async with serving(config(tmp_path)) as collector, Agent(collector.address, greeting=node(2)) as third:
            await third.ship(1, b"z")

    run(story())
    assert os.listdir(tmp_path) == ["trains"]
    assert sorted(os.listdir(tmp_path / "trains/r1"))[1:4] == ["10.77.0.10", "10.77.0.11", "10.77.0.12"]
