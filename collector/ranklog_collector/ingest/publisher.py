"""Keeps the derived files of a live run as its journal says: run.json, the process files, overall/execution.txt.

The JSON files are replaced as a whole, so that they are valid at any moment; the account of the run's life only grows.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from contextlib import suppress

from ranklog_collector.core.layout import EXECUTION, PROCESS_INFO, PROCESS_STATUS, RUN
from ranklog_collector.core.process_files import process_info, process_status, run_summary
from ranklog_collector.core.run_state import RunState
from ranklog_collector.errors import StoreError
from ranklog_collector.store.api import Store

GATHER_S = 0.1
"""How long a change waits for others."""
RETRY_S = 1.0
REST_FACTOR = 10
"""After a publication that took long, rest for so many times as long: big jobs are published less often."""


class Publisher:
    """Writes the derived files of one run. `run` is its life."""

    def __init__(self, store: Store, state: RunState, threads: Executor) -> None:
        self._store = store
        self._state = state
        self._threads = threads
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._written: dict[str, bytes] = {}
        self._told: int | None = None

    def touch(self) -> None:
        """Something has changed."""
        self._changed.set()

    def stop(self) -> None:
        """Let `run` end after a last publication."""
        self._stopping.set()
        self._changed.set()

    async def run(self) -> None:
        """Publish changes until stopped."""
        loop = asyncio.get_running_loop()
        rest_s = GATHER_S
        while self._changed.is_set() or not self._stopping.is_set():
            await self._changed.wait()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), rest_s)
            self._changed.clear()
            began = loop.time()
            is_published = await self._publish()
            rest_s = max(GATHER_S, REST_FACTOR * (loop.time() - began)) if is_published else RETRY_S
            if not is_published and not self._stopping.is_set():
                self._changed.set()

    async def _publish(self) -> bool:
        state = self._state
        assert state.run is not None
        files = {
            RUN: run_summary(state.run, state.presence, state.layout),
            # A reader must find the status of every process that it finds the info of.
            PROCESS_STATUS: process_status(state.presence),
            PROCESS_INFO: process_info(state.presence, state.layout.log_of),
        }
        count = len(state.story)
        story = "".join(state.story).encode()
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._write, files, story)
        except StoreError:
            return False
        del state.story[:count]
        return True

    def _write(self, files: dict[str, bytes], story: bytes) -> None:
        for path, data in files.items():
            if self._written.get(path) != data:
                self._store.put(path, data)
                self._written[path] = data
        self._tell(story)

    def _tell(self, story: bytes) -> None:
        if self._told is None:
            # The first time the story is that of the whole journal: it has to agree with what is there.
            found = self._store.read(EXECUTION, 0, len(story) + 1)
            if not story.startswith(found):
                self._store.put(EXECUTION, story)
            else:
                self._store.append(EXECUTION, len(found), story[len(found) :])
            self._told = len(story)
        elif story:
            # What an attempt that failed has left behind is written over.
            self._store.append(EXECUTION, self._told, story)
            self._told += len(story)
