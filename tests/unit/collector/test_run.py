"""A live run on a disk that fills up, breaks and loses its power: what was acknowledged stays, nothing is doubled."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zlib import crc32

import pytest

from ranklog_collector.core import journal
from ranklog_collector.core.assembly import Refusal as ChunkRefusal
from ranklog_collector.core.layout import API_FILE, JOURNAL, StreamKey
from ranklog_collector.core.run_state import RunState, Source
from ranklog_collector.errors import RefusedError, StoreUnwritableError
from ranklog_collector.ingest import publisher, writer
from ranklog_collector.ingest.checked import Greeting
from ranklog_collector.ingest.recovery import recover
from ranklog_collector.ingest.run import Run
from tests.unit.collector.memory_store import MemoryStore

NO_SPACE = "No space left on device"
EIO = StoreUnwritableError("cannot sync: Input/output error")


class Recorder:
    """A session that notes what the run tells it."""

    def __init__(self) -> None:
        self.durable: dict[str, int] = {}
        self.confirmed: set[str] = set()
        self.pauses: list[str] = []
        self.is_paused = False
        self.news = asyncio.Event()

    def wrote(self, source: Source, size: int) -> None:
        self.news.set()

    def made_durable(self, source: Source) -> None:
        self.durable[source.entry.id] = source.progress.durable
        if source.confirmed and source.progress.is_done:
            self.confirmed.add(source.entry.id)
        self.news.set()

    def paused(self, reason: str) -> None:
        self.pauses.append(reason)
        self.is_paused = True
        self.news.set()

    def resumed(self) -> None:
        self.is_paused = False
        self.news.set()

    def fenced(self) -> None:
        pass

    def farewell(self) -> None:
        pass


class Life:
    """One life of a run, from a store that an earlier one may have left."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.session = Recorder()
        self._threads = ThreadPoolExecutor(4)
        self._has_crashed = False

    async def __aenter__(self) -> Life:
        recovered = recover(self.store, "r1", "default", time.time_ns())
        self.run = Run("folder", self.store, recovered, self._threads, streams_max=100)
        self._serving = asyncio.create_task(self.run.serve())
        self.run.join(Greeting("r1", "", "node0", "10.0.0.1", "node0", 1, "test", is_cold=False), self.session)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._has_crashed:
            return
        self.store.room = self.store.sync_error = None
        self.run.stop()
        await self._serving
        self._threads.shutdown()

    async def crash(self, lost_power: bool) -> MemoryStore:
        """End without a word; what is left is for the next life."""
        left = self.store.after_crash(lost_power)
        self._has_crashed = True
        self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        self._threads.shutdown()
        return left

    def open(self, number: int, snapshot: bool = False) -> Source:
        role, name = ("output_file", "outputs/o") if snapshot else ("log", f"logs/{number // 10}")
        key = StreamKey("node0", role, "", name, snapshot)
        entry = journal.Segment(0, f"{number:016x}", 0, "/x", 1, 2, 3, snapshot, 0)
        return self.run.open(key, entry, self.session)

    def append(self, source: Source, content: bytes, start: int, end: int) -> int | ChunkRefusal:
        if self.run.is_paused:
            return ChunkRefusal.AHEAD
        return self.run.append(source, start, memoryview(content)[start:end], crc32(content[:end]), [(end, end)])

    async def until(self, condition: Any) -> None:
        async def wait() -> None:
            while not condition():
                self.session.news.clear()
                await self.session.news.wait()

        await asyncio.wait_for(wait(), 20)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(writer, "PROBE_INTERVAL_S", 0.005)
    monkeypatch.setattr(publisher, "RETRY_S", 0.005)
    monkeypatch.setattr(publisher, "GATHER_S", 0.001)
    return


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


def kinds(store: MemoryStore) -> list[str]:
    return [entry.kind for entry in journal.read(bytes(store.files[JOURNAL]))[0]]


CONTENT = bytes(range(256)) * 20


def test_nothing_is_durable_before_it_is_synced() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with Life(store) as life:
            source = life.open(1)
            store.sync_error = EIO
            life.append(source, CONTENT, 0, 100)
            await life.until(lambda: life.session.pauses)
            assert life.session.durable.get(source.entry.id, 0) == 0
            assert source.progress.received == source.written == 0

    run(story())


def test_a_stalling_disk_holds_up_nobody_but_the_bytes() -> None:
    class Stalling(MemoryStore):
        gate = threading.Event()

        def append(self, path: str, offset: int, *data: bytes | memoryview) -> None:
            if path.startswith("logs/"):
                assert self.gate.wait(20)
            super().append(path, offset, *data)

    async def story() -> None:
        store = Stalling()
        async with Life(store) as life:
            source = life.open(1)
            for start in range(0, 1000, 100):
                assert life.append(source, CONTENT, start, start + 100) == 100
            life.run.clock("node0", 1, 1, time.time_ns())
            life.run.tick(time.time_ns())
            await asyncio.sleep(0)
            assert source.written == 0
            store.gate.set()
            await life.until(lambda: life.session.durable.get(source.entry.id) == 1000)

    run(story())


@pytest.mark.parametrize("fault", ["full", "sync"])
def test_after_a_fault_all_goes_on_from_what_was_durable(fault: str) -> None:
    async def story() -> None:
        store = MemoryStore()
        async with Life(store) as life:
            source, other = life.open(1), life.open(11)
            life.append(source, CONTENT, 0, 100)
            await life.until(lambda: life.session.durable.get(source.entry.id) == 100)
            if fault == "full":
                store.room = 20
            else:
                store.sync_error = EIO
            life.append(source, CONTENT, 100, 200)
            life.append(other, CONTENT, 0, 50)
            await life.until(lambda: life.session.is_paused)
            assert (source.progress.received, other.progress.received) == (100, 0)
            store.room = store.sync_error = None
            await life.until(lambda: not life.session.is_paused)
            assert life.append(source, CONTENT, 200, 300) is ChunkRefusal.AHEAD
            life.append(source, CONTENT, 100, len(CONTENT))
            life.append(other, CONTENT, 0, 70)
            assert life.run.close(source, len(CONTENT), crc32(CONTENT))
            await life.until(lambda: life.session.confirmed and life.session.durable.get(other.entry.id) == 70)
        assert bytes(store.files["logs/0"]) == CONTENT
        assert bytes(store.files["logs/1"]) == CONTENT[:70]
        assert kinds(store).count("pause") == kinds(store).count("resume") == 1
        assert "reset" in kinds(store)

    run(story())


def test_facts_and_segments_of_a_pause_are_durable_after_it() -> None:
    async def story() -> None:
        store = MemoryStore()
        confirmed = asyncio.Event()
        async with Life(store) as life:
            store.room = 0
            life.open(1)
            await life.until(lambda: life.session.is_paused)
            life.open(11)
            life.run.process("node0", "0-1", "started", {"pid": 1}, confirmed.set)
            assert not confirmed.is_set()
            store.room = None
            await asyncio.wait_for(confirmed.wait(), 20)
            left = await life.crash(lost_power=True)
        state = recover(left, "r1", "default", 1).state
        assert len(state.sources) == 2
        assert state.presence.processes.get("node0", "0-1") is not None

    run(story())


def test_a_snapshot_survives_a_crash_between_its_line_and_its_rename() -> None:
    class NoRename(MemoryStore):
        def rename(self, source: str, target: str) -> bool:
            raise StoreUnwritableError("cannot rename")

    async def story() -> None:
        store = NoRename()
        async with Life(store) as life:
            source = life.open(1, snapshot=True)
            life.append(source, CONTENT, 0, len(CONTENT))
            assert life.run.close(source, len(CONTENT), crc32(CONTENT))
            await life.until(lambda: life.session.is_paused)
            assert not life.session.confirmed
            left = await life.crash(lost_power=True)
        async with Life(left) as life:
            source = life.open(1, snapshot=True)
            assert source.progress.received == len(CONTENT)
            assert life.run.close(source, len(CONTENT), crc32(CONTENT))
            await life.until(lambda: life.session.confirmed)
            with pytest.raises(RefusedError, match="cannot grow"):
                life.append(source, CONTENT + b"x", len(CONTENT), len(CONTENT) + 1)
        assert bytes(left.files["outputs/o"]) == CONTENT
        assert not left.list(".ranklog/incoming")

    run(story())


def test_a_file_that_was_stored_by_rest_stays_what_it_is() -> None:
    async def story() -> None:
        store = MemoryStore()
        for path in ("outputs/o", API_FILE):
            store.append(path, 0, b"by REST")
        async with Life(store) as life:
            source = life.open(1, snapshot=True)
            life.append(source, CONTENT, 0, len(CONTENT))
            assert life.run.close(source, len(CONTENT), crc32(CONTENT))
            await life.until(lambda: life.session.confirmed)
        assert bytes(store.files["outputs/o"]) == b"by REST"
        assert bytes(store.files["outputs/o_2"]) == CONTENT

    run(story())


def test_only_the_last_of_many_snapshots_is_remembered() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with Life(store) as life:
            for number in range(1, 6):
                source = life.open(number, snapshot=True)
                life.append(source, CONTENT, 0, number)
                life.run.close(source, number, crc32(CONTENT[:number]))
                await life.until(lambda source=source: source.entry.id in life.session.confirmed)
            assert [source.number for source, _ in await life.run.known("node0")] == [5]
        state = RunState()
        for entry in journal.read(bytes(store.files[JOURNAL]))[0]:
            state.replay(entry)
        assert [source.number for source in state.sources.values()] == [5]
        assert bytes(store.files["outputs/o"]) == CONTENT[:5]

    run(story())


def test_a_snapshot_that_was_given_up_leaves_nothing_behind() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with Life(store) as life:
            given_up = life.open(1, snapshot=True)
            life.append(given_up, CONTENT, 0, 100)
            await life.until(lambda: life.session.durable.get(given_up.entry.id) == 100)
            given_up.listener = None
            source = life.open(2, snapshot=True)
            life.append(source, CONTENT, 0, 50)
            life.run.close(source, 50, crc32(CONTENT[:50]))
            await life.until(lambda: life.session.confirmed)
            assert [one.number for one, _ in await life.run.known("node0")] == [2]
        assert not store.list(".ranklog/incoming")

    run(story())


def test_a_defect_in_the_publisher_ends_the_run_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_: object) -> bytes:
        raise ZeroDivisionError

    async def story() -> None:
        store = MemoryStore()
        recovered = recover(store, "r1", "default", 1)
        with ThreadPoolExecutor(2) as threads:
            live = Run("folder", store, recovered, threads, streams_max=100)
            monkeypatch.setattr(publisher, "process_status", defect)
            with pytest.raises(ZeroDivisionError):
                await live.serve()

    run(story())


CONTENTS = {number: random.Random(number).randbytes(number * 977) for number in (1, 2, 11, 21, 22, 23)}


async def _carry_on(life: Life, chance: random.Random, rounds: int) -> None:
    """Ship what is left of all contents, by turns and with repetitions, on a disk that fails now and then."""
    sources = {number: life.open(number) for number in CONTENTS}
    for _ in range(rounds):
        number = chance.choice(list(CONTENTS))
        source, content = sources[number], CONTENTS[number]
        held = source.progress.received
        start = max(0, held - chance.choice([0, 0, 0, 100]))
        life.append(source, content, start, min(len(content), held + chance.randrange(1, 1000)))
        if source.progress.received == len(content) and not life.run.is_paused:
            life.run.close(source, len(content), crc32(content))
        if chance.random() < 0.02:
            life.store.room = chance.choice([None, 0, 50, 3000])
            life.store.sync_error = chance.choice([None, None, EIO])
        if chance.random() < 0.3:
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.02]))
        if life.session.is_paused:
            life.store.room = life.store.sync_error = None
            await life.until(lambda: not life.session.is_paused)
        if len(life.session.confirmed) == len(CONTENTS):
            return


@pytest.mark.parametrize("seed", range(12))
def test_over_many_lives_with_all_kinds_of_faults_every_byte_arrives_once(seed: int) -> None:
    chance = random.Random(seed)

    async def story() -> None:
        store = MemoryStore()
        acked: dict[str, int] = {}
        for _ in range(6):
            async with Life(store) as life:
                await _carry_on(life, chance, chance.randrange(200))
                for segment, size in acked.items():
                    assert life.open(int(segment, 16)).progress.received >= size
                acked.update(life.session.durable)
                store = await life.crash(lost_power=chance.random() < 0.5)
        async with Life(store) as life:
            await _carry_on(life, chance, 100_000)
        state = RunState()
        for entry in journal.read(bytes(store.files[JOURNAL]))[0]:
            state.replay(entry)
        for number, content in CONTENTS.items():
            assert bytes_of(store, state.sources[f"{number:016x}"]) == content

    run(story())


def bytes_of(store: MemoryStore, source: Source) -> bytes:
    """A segment's bytes, cut out of its stream's file by the journal's extents."""
    extents = source.file.assembly.extents
    data = bytes(store.files[source.file.path])
    ends = [*(extent.pos for extent in extents), len(data)][1:]
    return b"".join(
        data[extent.pos : end] for extent, end in zip(extents, ends, strict=True) if extent.segment == source.number
    )
