"""The runs that a collector has in its care: opened when their first agent comes, closed when nobody is left."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from glob import escape, glob

import orjson

from ranklog_collector.core.backlog import Collected
from ranklog_collector.core.figures import Counters, Figures
from ranklog_collector.core.layout import INTERNAL
from ranklog_collector.core.presence import FINAL
from ranklog_collector.errors import Refusal, RefusedError, StoreError, StoreLockedError
from ranklog_collector.ingest.recovery import Recovered, recover
from ranklog_collector.ingest.run import Run
from ranklog_collector.store.api import Store

DEFAULT_EXPERIMENT = "default"
TICK_S = 0.5
REQUESTS_S = 0.2
"""How often it is looked for requests; less often where looking takes long."""
REQUESTS_REST_FACTOR = 20
IDLE_ENDED_NS = 60_000_000_000
"""How long an ended run without agents is kept open."""
IDLE_NS = 900_000_000_000
"""How long any run without agents is kept open."""

log = logging.getLogger("ranklog.collector")


class Runs:
    """All open runs. `serve` is its life."""

    def __init__(
        self,
        root: str,
        open_store: Callable[[str], Store],
        threads: Executor,
        runs_max: int,
        streams_max: int,
        silence_s: float = 0.0,
    ) -> None:
        self.counters = Counters()
        self._root = root
        self._open_store = open_store
        self._threads = threads
        self._runs_max = runs_max
        self._streams_max = streams_max
        self._silence_s = silence_s
        self._open: dict[str, Run] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._opened = asyncio.Condition()
        self._stopping = asyncio.Event()
        self._is_leaving = False

    def __iter__(self) -> Iterator[Run]:
        """The open runs."""
        return iter(list(self._open.values()))

    @property
    def sessions(self) -> int:
        """How many agents are connected."""
        return sum(len(run.sessions) for run in self)

    def points(self) -> dict[str, Collected]:
        """What points have come of each open run, by its folder."""
        return {run.folder: run.points for run in self}

    def figures(self) -> Figures:
        """How things are."""
        return Figures(
            time_s=time.monotonic(),
            agents=self.sessions,
            runs=len(self._open),
            runs_paused=sum(run.is_paused for run in self),
            streams=sum(run.streams for run in self),
            counters=self.counters,
        )

    async def get(self, run_id: str, experiment: str) -> Run:
        """The run of this id, opened if it is not. Raises RefusedError."""
        while run_id not in self._open:
            if self._is_leaving:
                raise RefusedError(Refusal.UNAVAILABLE, "the collector is shutting down")
            if run_id in self._serving:
                # It is being closed; then its folder is free.
                await asyncio.wait([self._serving[run_id]])
                continue
            if run_id not in self._opening:
                if len(self._open) + len(self._opening) >= self._runs_max:
                    raise RefusedError(Refusal.RESOURCE_EXHAUSTED, f"the collector has {self._runs_max} runs already")
                opening = self._opening[run_id] = asyncio.create_task(self._open_run(run_id, experiment))
                # Whoever waits for it may go away; it is opened all the same, or somebody must hear why not.
                opening.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(self._opening[run_id])
        return self._open[run_id]

    async def take_up(self) -> None:
        """Open the runs that an earlier collector left unfinished: their agents may have gone, and never come back."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._unfinished)
        for run_id, experiment in found:
            with suppress(RefusedError):
                await self.get(run_id, experiment)

    async def wait_ended(self, run_id: str) -> str:
        """Wait until a run has come and ended; returns its final state."""
        async with self._opened:
            await self._opened.wait_for(lambda: run_id in self._open)
            run = self._open[run_id]
        await run.ended.wait()
        return run.state

    # ---- life -------------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Tell the runs the time, until `stop`; then see all of them to their end."""
        taking_up = asyncio.create_task(self.take_up())
        heeding = asyncio.create_task(self._keep_heeding())
        while not self._stopping.is_set():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), TICK_S)
            now_ns = time.time_ns()
            for run in self:
                run.tick(now_ns)
                idle_ns = now_ns - run.idle_since_ns
                if not run.sessions and idle_ns > (IDLE_ENDED_NS if run.is_ended else IDLE_NS):
                    self._close(run)
        taking_up.cancel()
        await asyncio.gather(taking_up, heeding, *self._opening.values(), return_exceptions=True)
        for run in self:
            run.tick(time.time_ns())  # whoever has left just now has left
            self._close(run)
        await asyncio.gather(*self._serving.values(), return_exceptions=True)

    def farewell(self) -> None:
        """Send all agents away; nobody is let in any more."""
        self._is_leaving = True
        for run in self:
            for session in run.sessions:
                session.farewell()

    def stop(self) -> None:
        """Let `serve` end."""
        self._is_leaving = True
        self._stopping.set()

    # ---- inside -----------------------------------------------------------------------------------------------------

    async def _keep_heeding(self) -> None:
        """Do what is asked for by files in the run folders, until `stop`."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began_s = loop.time()
            for run in self:
                await run.heed_requests()
            pause_s = max(REQUESTS_S, REQUESTS_REST_FACTOR * (loop.time() - began_s))
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)

    def _close(self, run: Run) -> None:
        del self._open[run.run_id]
        run.stop()

    async def _open_run(self, run_id: str, experiment: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            folder, store, recovered = await loop.run_in_executor(self._threads, self._load, run_id, experiment)
        except StoreLockedError as error:
            raise RefusedError(Refusal.UNAVAILABLE, str(error)) from error
        except StoreError as error:
            log.error("run %s cannot be opened: %s", run_id, error)
            raise RefusedError(Refusal.UNAVAILABLE, str(error)) from error
        finally:
            del self._opening[run_id]
        run = self._open[run_id] = Run(
            folder, store, recovered, self._threads, self._streams_max, self.counters, self._silence_s
        )
        self._serving[run_id] = asyncio.create_task(self._serve(run))
        async with self._opened:
            self._opened.notify_all()
        log.info("run %s is open: %s", run_id, run.folder)

    def _unfinished(self) -> list[tuple[str, str]]:
        """In a thread: runs below the root whose run.json does not say that they have ended, as (id, experiment)."""
        found = []
        for path in glob(os.path.join(escape(self._root), "*", "*", "run.json")):
            try:
                with open(path, "rb") as file:
                    state = orjson.loads(file.read()).get("state")
            except (OSError, ValueError, AttributeError):
                continue
            if state not in FINAL:
                experiment, run_id = os.path.dirname(path).split(os.sep)[-2:]
                found.append((run_id, experiment))
        return found

    def _load(self, run_id: str, experiment: str) -> tuple[str, Store, Recovered]:
        """In a thread: a run keeps the folder that it has, whatever experiment a later agent names."""
        found = glob(os.path.join(escape(self._root), "*", escape(run_id), INTERNAL))
        folder = os.path.dirname(found[0]) if found else ""
        folder = folder or os.path.join(self._root, experiment or DEFAULT_EXPERIMENT, run_id)
        store = self._open_store(folder)
        try:
            name = os.path.basename(os.path.dirname(folder))
            return folder, store, recover(store, run_id, name, time.time_ns())
        except BaseException:
            store.close()
            raise

    async def _serve(self, run: Run) -> None:
        try:
            await run.serve()
        except Exception:
            # Only a defect leads here. What is durable stays so; the agents come back and the run is opened anew.
            log.exception("run %s had to be closed", run.run_id)
            for session in run.sessions:
                session.farewell()
        finally:
            self._open.pop(run.run_id, None)
            self._serving.pop(run.run_id, None)
        log.info("run %s is closed", run.run_id)
