"""Many may watch a run, one looks at it, and nobody does when all have gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ranklog_collector.http import events
from ranklog_collector.http.events import Watches
from ranklog_collector.reading.folder import ReadingError
from tests.support.run_writer import job


def watching() -> int:
    return sum("Watch.run" in repr(task.get_coro()) for task in asyncio.all_tasks())


def test_there_is_one_watch_as_long_as_anybody_watches(tmp_path: Path) -> None:
    job(tmp_path / "r1", 1)

    async def watch() -> None:
        watches, path = Watches(), str(tmp_path / "r1")
        async with watches.joined(path) as first:
            async with watches.joined(path) as second:
                assert first is second
                await asyncio.sleep(0)
                assert watching() == 1
            assert watching() == 1
        assert watching() == 0
        async with watches.joined(path) as third:
            assert third is not first

    asyncio.run(watch())


def test_all_who_watch_are_told_and_who_is_slow_is_told_everything_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "POLL_S", 0.01)
    run, (first, second) = job(tmp_path / "r1", 2)

    async def watch() -> None:
        async with Watches().joined(str(run.folder)) as watch:
            number = watch.number_at(watch.seen.position)
            assert number == 0
            run.write(first, b"x\n")
            quick, change = await watch.since(number)
            assert change == {"logs": {"azureml-logs/70_driver_log_0.txt"}}
            run.write(second, b"y\n")
            assert (await watch.since(quick))[1] == {"logs": {"azureml-logs/70_driver_log_1.txt"}}
            slow = await watch.since(number)
            assert slow[1] == {"logs": {"azureml-logs/70_driver_log_0.txt", "azureml-logs/70_driver_log_1.txt"}}
            run.end()
            ended = await watch.since(slow[0])
            assert ended[1] is not None
            assert "run" in ended[1]
            assert watch.is_over

    asyncio.run(watch())


def test_what_is_not_remembered_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "POLL_S", 0.001)
    monkeypatch.setattr(events, "REMEMBERED", 3)
    run, (first,) = job(tmp_path / "r1", 1)

    async def watch() -> None:
        async with Watches().joined(str(run.folder)) as watch:
            begun = watch.seen.position
            number = 0
            for _ in range(5):
                run.write(first, b"x\n")
                number, _ = await watch.since(number)
            assert (await watch.since(0))[1] is None
            assert watch.number_at(begun) is None
            assert watch.number_at(watch.seen.position + 1) is None
            assert watch.number_at(watch.seen.position) == number

    asyncio.run(watch())


def test_a_folder_that_goes_away_ends_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "POLL_S", 0.001)
    run, _ = job(tmp_path / "r1", 1)

    async def watch() -> None:
        watches = Watches()
        async with watches.joined(str(run.folder)) as watch:
            run.journal_path.unlink()
            await watch.since(0)
            assert watch.is_over
        with pytest.raises(ReadingError):
            async with watches.joined(str(run.folder)):
                pass

    asyncio.run(watch())
