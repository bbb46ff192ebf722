"""`ranklog run` from start to end: a collector in this process, an agent beside it, and the job."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from ranklog import relay_place, spool
from ranklog_collector.app import serving
from ranklog_collector.config import Config
from ranklog_collector.core import journal
from ranklog_collector.errors import CollectorError
from ranklog_collector.ingest.run import Run
from ranklog_collector.launch import family
from ranklog_collector.launch.children import Children
from ranklog_collector.launch.endings import Ending, exit_code
from ranklog_collector.launch.errors import LaunchError
from ranklog_collector.launch.job import Job
from ranklog_collector.launch.plan import Plan
from ranklog_collector.launch.prepare import Order
from ranklog_collector.launch.sidecar import Sidecar
from ranklog_collector.launch.signals import Signals
from ranklog_collector.launch.stopping import FORWARDED, STOPPING, Forward, Hurry, Kill, Say, Stopping
from ranklog_collector.launch.time_limits import TimeLimit, time_limit

ENDED_S = 3.0
"""How long the collector may take to see that the run has ended, once its agent has left."""
PAUSE_POLL_S = 0.5
HURRIED_S = 10.0
"""How long whatever is left may take when the user has asked to hurry."""


class View(Protocol):
    """What the user sees while the job runs."""

    phase: str
    """What is going on once the job is over."""

    def note(self, text: str) -> None:
        """Say something; must not wait."""

    def finish(self, then: Callable[[], None]) -> None:
        """The run folder is complete: show what is left, and call `then`, from any thread; must not wait."""


@dataclass(frozen=True)
class Outcome:
    """How it went."""

    exit_code: int
    stopped_by: int | None
    """The signal by which somebody asked to stop, if so."""
    plan: Plan
    folder: str


@dataclass(frozen=True)
class Limits:
    """When the job is ended from here, in seconds; None: never."""

    duration_s: float | None = None
    """So long after its start it gets SIGTERM."""
    heeding_s: float | None = None
    """So long it may take to heed being asked to stop, by whomever; then it is killed."""


class Session:
    """One run. `run` is its life."""

    def __init__(
        self,
        order: Order,
        open_view: Callable[[str, Plan], View],
        *,
        ends_together: bool,
        drain_timeout_s: float,
        limits: Limits,
        silence_s: float = 0.0,
    ) -> None:
        self._order = order
        self._open_view = open_view
        self._ends_together = ends_together
        self._drain_timeout_s = drain_timeout_s
        self._limits = limits
        self._silence_s = silence_s
        self._stopping = Stopping()
        self._hurry = asyncio.Event()
        self._run: Run | None = None
        self._job: Job | None = None
        self._view: View | None = None
        self._children = Children()

    async def run(self) -> Outcome:
        """Run the job to its end, and everything around it. Raises LaunchError if it cannot be started."""
        order, token = self._order, secrets.token_hex(16)
        nodes = order.nodes
        # Before any thread is started: threads, like children, inherit what is blocked.
        with Signals((*STOPPING, *FORWARDED), self._on_signal, self._children.reap) as signals:
            self._children.mask = signals.former_mask
            try:
                config = Config(order.root, nodes.listen, order.http, token, stacks_after_silence_s=self._silence_s)
                async with serving(config) as collector:
                    run = self._run = await collector.runs.get(order.run_id, order.experiment)
                    plans = order.plans(nodes.address(collector.address), collector.url)
                    view = self._view = self._open_view(run.folder, plans[0])
                    async with _told(run, view.note):
                        with nodes.prepared(token, view.note):
                            endings = await self._around_job(view, nodes.local_address(collector.address), token, plans)
                            if self._job is not None:
                                await self._unless_hurried(nodes.bring(run))
                        if not nodes.are_several:
                            run.finish()
                        ending_s = self._drain_timeout_s if nodes.are_several else ENDED_S
                        await self._unless_hurried(collector.wait_run_ended(order.run_id), ending_s)
            except CollectorError as error:
                raise LaunchError(str(error)) from None
            await self._unless_hurried(_finished(view))
        code = exit_code(endings, self._stopping.exit_code)
        return Outcome(code, self._stopping.first, plans[0], run.folder)

    async def _around_job(self, view: View, address: str, token: str, plans: Sequence[Plan]) -> Sequence[Ending]:
        order, children = self._order, self._children
        job = Job(children, order.run_id, order.spool, order.hostname, view.note, self._ends_together)
        announcement = spool.agent_path(order.spool, order.hostname)
        command = order.agent_command(address, plans[0].environment.get("RANKLOG_URL"))
        environment = order.agent_environment(token)
        if self._stopping.first is not None:
            return [Ending(self._stopping.first)]
        relay = _relay(order, view.note)
        sidecar = Sidecar(children, command, environment, announcement, view.note, relay)
        if self._run is not None:
            self._run.begin()
        job.start(order.commands(plans))
        began_ns = time.time_ns()
        self._job = job
        if self._limits.duration_s is not None:
            asyncio.get_running_loop().call_later(self._limits.duration_s, self._end_overdue, view)
        shipping = asyncio.create_task(sidecar.run())
        try:
            endings = await job.wait()
            self._stopping.is_job_over = True
            self._note_time_limit(endings, began_ns)
            view.phase = "fetching what is left"
            await job.settle(self._hurry)
            return endings
        finally:
            await sidecar.finish(shipping, self._drain_timeout_s, self._hurry)
            if relay is not None:
                os.close(relay)

    # ---- signals ----------------------------------------------------------------------------------------------------

    def _end_overdue(self, view: View) -> None:
        if not self._stopping.is_job_over:
            view.note(f"the job has run for {self._limits.duration_s:g} s, which is all it may: it is asked to end")
            self._ask(journal.TIME_LIMIT, f"--max-duration {self._limits.duration_s:g}")
            self._stop(signal.SIGTERM, False)

    def _note_time_limit(self, endings: Sequence[Ending], began_ns: int) -> None:
        """Only `timeout` before the command knows that the time was up, and only its exit code tells."""
        limit, elapsed_s = time_limit(self._order.request.argv), (time.time_ns() - began_ns) / 1e9
        if limit is not None and any(limit.is_reached(one.exit_code, elapsed_s) for one in endings):
            self._ask(journal.TIME_LIMIT, limit.words, began_ns + round(limit.seconds * 1e9))

    def _ask(self, why: str, by: str, time_ns: int | None = None) -> None:
        if self._run is not None:
            self._run.asked(why, by, time.time_ns() if time_ns is None else time_ns)

    def _on_signal(self, number: int, is_from_terminal: bool) -> None:
        if number in STOPPING and self._stopping.first is None and not self._stopping.is_job_over:
            limit = _limit_above()
            by = f"{signal.Signals(number).name} to ranklog run" if limit is None else limit.words
            self._ask(journal.CANCELED if limit is None else journal.TIME_LIMIT, by)
        self._stop(number, is_from_terminal)

    def _stop(self, number: int, is_from_terminal: bool) -> None:
        is_first = number in STOPPING and self._stopping.first is None
        if is_first and self._limits.heeding_s is not None:
            asyncio.get_running_loop().call_later(self._limits.heeding_s, self._kill_unheeding)
        actions = self._stopping.take(number, is_from_terminal, time.monotonic())
        if self._stopping.first is not None and self._job is not None:
            self._job.ends_together = False  # each process heeds it in its own time
        for action in actions:
            match action:
                case Forward(signal_number) if self._job is not None:
                    self._job.send(signal_number)
                case Kill() if self._job is not None:
                    self._job.kill()
                case Say(text) if self._view is not None:
                    self._view.note(text)
                case Hurry():
                    self._rush()

    def _kill_unheeding(self) -> None:
        if self._job is not None and not self._stopping.is_job_over:
            self._job.kill()

    def _rush(self) -> None:
        """Wait for nothing any longer; the second time not even for what is on its way to the disk."""
        code = self._stopping.exit_code or 1
        if self._hurry.is_set():
            os._exit(code)
        self._hurry.set()
        asyncio.get_running_loop().call_later(HURRIED_S, os._exit, code)

    async def _unless_hurried(self, waited_for: Coroutine[None, None, object], timeout_s: float | None = None) -> None:
        tasks = [asyncio.create_task(waited_for), asyncio.create_task(self._hurry.wait())]
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def _limit_above() -> TimeLimit | None:
    """The limit of a `timeout` that has started this process, if it is reached."""
    words, age_s = family.parent()
    limit = time_limit(words)
    return limit if limit is not None and age_s >= limit.seconds else None


async def _finished(view: View) -> None:
    loop, is_over = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(is_over.set)

    view.finish(tell)
    await is_over.wait()


async def _tell_of_pauses(run: Run, say: Callable[[str], None]) -> None:
    """Say it when the run folder cannot be written, and when it can be again."""
    was_paused = False
    while True:
        if run.is_paused != was_paused:
            was_paused = run.is_paused
            words = "cannot be written now: is the disk full? The job goes on" if was_paused else "can be written again"
            say(f"the run folder {words}")
        await asyncio.sleep(PAUSE_POLL_S)


@asynccontextmanager
async def _told(run: Run, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Tell of all that goes wrong with the collector, for the length of the block."""
    logger, handler = logging.getLogger("ranklog.collector"), _Handler(say)
    logger.addHandler(handler)
    telling = asyncio.create_task(_tell_of_pauses(run, say))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])
        logger.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(f"collector: {record.getMessage()}")


def _relay(order: Order, note: Callable[[str], None]) -> int | None:
    """Make the socket on which this node's agent will answer MLflow's clients; ranks find it when they start."""
    try:
        return relay_place.make(order.spool, order.hostname)
    except (OSError, spool.SpoolError) as error:
        note(f"MLflow's clients find no relay on this node: {error}")
        return None
