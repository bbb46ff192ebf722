"""The runs that MLflow's clients ask for, in memory as long as they are asked for, and the catalog behind them.

Everything is written to run folders first. The catalog takes it in a moment later, or after a crash from the folders.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from glob import escape, glob
from typing import Any, TypeVar

from ranklog.mlflow_api.errors import INTERNAL, MISSING, UNAVAILABLE, MlflowError, invalid, missing
from ranklog.mlflow_api.ids import mlflow_run_id
from ranklog.mlflow_api.lines import Line, dump
from ranklog.run.family_names import root_of
from ranklog_collector.core.layout import JOURNAL
from ranklog_collector.mlflow.catalog.delta import Delta, take
from ranklog_collector.mlflow.experiments import Experiments
from ranklog_collector.mlflow.folders import Folders, growth, rest_part
from ranklog_collector.mlflow.run import Run
from ranklog_collector.reading.folder import ReadingError

FLUSH_S = 1.0
"""So late the catalog learns of what changes."""
SCAN_S = 5.0
"""Between two looks for runs that came in other ways."""
RECENT_S = 1.0
"""For so long it is believed that such a run has not grown."""
ENTRIES_MAX = 100_000
"""Metrics, parameters and tags of all runs in memory."""
RUNS_MAX = 512
_RUN_ID = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.\-]{0,255}")
_LOOKS_MAX = 3

log = logging.getLogger("ranklog.http")
T = TypeVar("T")


@dataclass(slots=True)
class Live:
    """A run in memory."""

    run: Run
    looked_s: float
    """When its folder was last looked at."""


class Runs:
    """All runs. To be used on one event loop."""

    def __init__(self, root: str, catalog_url: str | None) -> None:
        self.folders = Folders(root)
        self._root = root
        self._url = catalog_url
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="catalog")
        self._experiments: Experiments | None = None
        self._opening = asyncio.Lock()
        self._live: OrderedDict[str, Live] = OrderedDict()
        self._dirty: set[str] = set()
        self._pending: list[Delta] = []
        self._saving = asyncio.Lock()
        self._flush_due: asyncio.TimerHandle | None = None
        self._scanned_s = 0.0
        self._scanning: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # ---- the catalog ------------------------------------------------------------------------------------------------

    async def experiments(self) -> Experiments:
        """The experiments, which are known when the catalog is open. Raises MlflowError."""
        if self._experiments is None:
            async with self._opening:
                if self._experiments is None:
                    experiments = await self.call(Experiments, self._root, self._url)
                    _, gone = await self.call(self._compare, experiments)
                    await self.call(experiments.catalog.forget_runs, gone)
                    self._experiments = experiments
                    self._start_scan()
        return self._experiments

    async def call(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something in the catalog's thread. Raises MlflowError."""
        from ranklog_collector.mlflow.catalog.store import CatalogError

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except MlflowError:
            raise
        except CatalogError as error:
            log.error("%s", error)
            raise MlflowError(UNAVAILABLE, str(error)) from error
        except Exception as error:
            log.exception("the catalog failed")
            raise MlflowError(INTERNAL, "the catalog failed; the collector's log says how") from error

    async def flush(self) -> None:
        """Let the catalog know of all that has changed. Raises MlflowError."""
        async with self._saving:
            deltas = []
            for run_id in self._dirty:
                live = self._live[run_id]
                if not live.run.info.is_owned:  # else others write there, too
                    live.run.set_info(seen=growth(os.path.join(self._root, live.run.info.folder)))
                deltas.append(take(live.run))
            self._dirty.clear()
            self._pending += deltas
            if self._pending:
                experiments = await self.experiments()
                pending = list(self._pending)
                await self.call(experiments.catalog.save, pending)
                del self._pending[: len(pending)]
        self._drop_oldest()

    # ---- runs -------------------------------------------------------------------------------------------------------

    async def get(self, run_id: str) -> Run:
        """A run as it is now. Raises MlflowError."""
        live = self._live.get(run_id)
        if live is None:
            return (await self._load(run_id)).run
        if live.run.info.is_owned and time.monotonic() - live.looked_s > RECENT_S:
            await self._look(live)
        self._live.move_to_end(run_id)
        return live.run

    async def find(self, run_id: str) -> Run | None:
        """A run as it is now, or None if there is none. Raises MlflowError."""
        try:
            return await self.get(run_id)
        except MlflowError as error:
            if error.code != MISSING:
                raise
            return None

    async def get_active(self, run_id: str) -> Run:
        """A run that has not been deleted. Raises MlflowError."""
        live = self._live.get(run_id)
        run = live.run if live is not None else await self.get(run_id)
        if not run.is_active:
            raise not_active(run)
        return run

    def add(self, run: Run) -> None:
        """Take in a new run."""
        self._live[run.info.run_id] = Live(run, time.monotonic())
        self._note(run)

    def append(self, run: Run, lines: list[Line]) -> None:
        """Write lines that a run gets, before what they say is taken in by it. Raises MlflowError."""
        if lines:
            if run.info.child:
                lines = [{**line, "r": run.info.child} for line in lines]
            self.folders.append(run.info.folder, dump(lines))
            self._note(run)

    @contextmanager
    def held(self, run: Run) -> Iterator[None]:
        """Let changes of a run that are in no lines reach the catalog."""
        yield
        self._note(run)

    def settle(self) -> None:
        """Look for runs that came in other ways, if that was long ago."""
        if time.monotonic() - self._scanned_s > SCAN_S:
            self._start_scan()

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _note(self, run: Run) -> None:
        run_id = run.info.run_id
        if run_id not in self._live:
            self._live[run_id] = Live(run, time.monotonic())
        self._dirty.add(run_id)
        if self._flush_due is None:
            self._flush_due = asyncio.get_running_loop().call_later(FLUSH_S, self._flush_later)

    def _flush_later(self) -> None:
        self._flush_due = None
        self._own(self._flush_quietly())

    async def _flush_quietly(self) -> None:
        with suppress(MlflowError):  # it has been logged, and is tried again with the next change or search
            await self.flush()

    def _own(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _load(self, run_id: str) -> Live:
        """Find a run in the catalog, or its folder."""
        if not _RUN_ID.fullmatch(run_id):
            raise missing(f"Run with id={run_id} not found")
        experiments = await self.experiments()
        told, run_id = run_id, mlflow_run_id(run_id)
        run = await self.call(experiments.catalog.run, run_id)
        if run_id in self._live:  # somebody else was faster
            return self._live[run_id]
        if run is not None and growth(os.path.join(self._root, run.info.folder)) == run.info.seen:
            live = self._live[run_id] = Live(run, time.monotonic())
            return live
        folder = await self.call(self._find, root_of(told)) if run is None else run.info.folder
        if folder is not None:
            self._take(await self._read(folder))
        elif run_id not in self._live:
            await self._scanned()  # a child run that has just begun is known by no folder
        if run_id not in self._live:
            raise missing(f"Run with id={told} not found")
        return self._live[run_id]

    def _take(self, read: list[Run]) -> None:
        """Take in runs of a folder, but for those that are known."""
        for run in read:
            if run.info.run_id not in self._live:
                self.add(run)

    async def _look(self, live: Live) -> None:
        """Read a run's folder again, if it has grown."""
        info = live.run.info
        live.looked_s = time.monotonic()
        if growth(os.path.join(self._root, info.folder)) == info.seen:
            return
        for _ in range(_LOOKS_MAX):
            read = await self._read(info.folder)
            if rest_part(growth(os.path.join(self._root, info.folder))) == rest_part(read[0].info.seen):
                break  # nothing came by REST while it was read
        for run in read:
            known = self._live.get(run.info.run_id)
            if known is None:
                self.add(run)
                continue
            known.looked_s = time.monotonic()
            known.run.replace(run)
            self._note(known.run)

    async def _read(self, folder: str) -> list[Run]:
        """The run of a folder, and its child runs."""
        from ranklog_collector.mlflow.take_up import load

        experiments = await self.experiments()
        experiment = await self.call(experiments.of_folder, os.path.dirname(folder))
        try:
            return await asyncio.to_thread(
                load, self._root, folder, experiment.experiment_id, partial(experiments.artifact_uri, experiment)
            )
        except ReadingError as error:
            raise missing(f"Run {os.path.basename(folder)} cannot be read: {error}") from error

    def _find(self, run_id: str) -> str | None:
        """In a thread: the folder of a run, below the root."""
        found = glob(os.path.join(escape(self._root), "*", escape(run_id), JOURNAL))
        return (
            os.path.relpath(os.path.dirname(os.path.dirname(os.path.dirname(found[0]))), self._root) if found else None
        )

    def _start_scan(self) -> asyncio.Task[None]:
        if self._scanning is None or self._scanning.done():
            self._scanned_s = time.monotonic()
            self._scanning = self._own(self._scan())
        return self._scanning

    async def _scanned(self) -> None:
        """Look for runs that came in other ways, unless that was just done."""
        is_going_on = self._scanning is not None and not self._scanning.done()
        if is_going_on or time.monotonic() - self._scanned_s > RECENT_S:
            await asyncio.shield(self._start_scan())

    async def _scan(self) -> None:
        """Take up runs that have come or grown in other ways, and forget those that are gone."""
        with suppress(MlflowError):
            experiments = await self.experiments()
            await self.flush()
            fresh, gone = await self.call(self._compare, experiments)
            await self.call(experiments.catalog.forget_runs, gone)
            for folder, run_id in fresh:
                live = self._live.get(run_id)
                if live is not None and not live.run.info.is_owned:
                    continue
                with suppress(MlflowError):
                    if live is not None:
                        await self._look(live)
                    else:
                        self._take(await self._read(folder))
                if len(self._dirty) >= RUNS_MAX:
                    await self.flush()
            await self.flush()

    def _compare(self, experiments: Experiments) -> tuple[list[tuple[str, str]], list[str]]:
        """In a thread: which folders have grown, newest first, and which runs have none any more."""
        experiments.look()
        seen = experiments.catalog.seen_runs()
        fresh, there = [], set()
        for folder in _run_folders(self._root):
            run_id = mlflow_run_id(os.path.basename(folder))
            there.add(folder)
            if seen.get(run_id, ("", ""))[1] != growth(os.path.join(self._root, folder)):
                fresh.append((folder, run_id))
        gone = [run_id for run_id, (folder, _) in seen.items() if folder not in there and run_id not in self._live]
        return fresh, gone

    def _drop_oldest(self) -> None:
        entries = 0
        keep: set[str] = set()
        for run_id, live in reversed(self._live.items()):
            entries += len(live.run.metrics) + len(live.run.params) + len(live.run.tags) + 1
            if run_id in self._dirty or (entries <= ENTRIES_MAX and len(keep) < RUNS_MAX):
                keep.add(run_id)
        for run_id in self._live.keys() - keep:
            self._live.pop(run_id)


def not_active(run: Run) -> MlflowError:
    """What is only possible with a run that has not been deleted."""
    return invalid(
        f"The run {run.info.run_id} must be in the 'active' state. Current state is {run.info.lifecycle_stage}."
    )


def _run_folders(root: str) -> list[str]:
    found: list[str] = []
    with suppress(OSError), os.scandir(root) as experiments:
        for experiment in experiments:
            if experiment.name.startswith(".") or not experiment.is_dir():
                continue
            with suppress(OSError), os.scandir(experiment.path) as folders:
                found += [
                    f"{experiment.name}/{folder.name}"
                    for folder in folders
                    if os.path.exists(os.path.join(folder.path, JOURNAL))
                ]
    return sorted(found, reverse=True)
