"""The agent's life: find what is there, reach the collector, mirror, notice the end of the job, drain, leave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, TypeVar

import grpc
import grpc.aio

from ranklog import spool
from ranklog_agent.account import Account
from ranklog_agent.announcement import announce, withdraw
from ranklog_agent.config import Config
from ranklog_agent.core.backoff import Backoff
from ranklog_agent.core.clock import Clock
from ranklog_agent.core.usage import Present
from ranklog_agent.dumping import Dumping
from ranklog_agent.ending import Ending
from ranklog_agent.errors import AgentError, CollectorRefusedError, NotDeliveredError
from ranklog_agent.io import commands, link, procfs, wire
from ranklog_agent.io.watch import Hints, Watcher
from ranklog_agent.mirror import Mirror
from ranklog_agent.observer import Observer
from ranklog_agent.observing import Observing
from ranklog_agent.relay.relay import Relay
from ranklog_proto.v1 import ingest_pb2 as pb

if sys.version_info >= (3, 11):
    from asyncio import TaskGroup
else:
    from exceptiongroup import BaseExceptionGroup
    from taskgroup import TaskGroup

TEND_S = 0.5
"""How often what lives, waits or has been rotated away is looked after."""
SCAN_SHARE = 0.01
"""Scanning everything, only to be sure, may take this share of the time; with very many files it is done less often."""
SCAN_SHARE_UNWATCHED = 0.2
"""The same for scanning what raises no events, where nothing else finds what is new."""

T = TypeVar("T")


class Agent:
    """One node's sidecar. `run()` is its whole life."""

    def __init__(self, config: Config, say: Callable[[str], None]) -> None:
        self._config = config
        self._say = say
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mirror")
        self._mirror = Mirror(config, lambda path, why: say(f"cannot read {path}: {why}; trying again"))
        self._clock = Clock()
        self._backoff = Backoff()
        self._epoch = time.time_ns()
        self._wake = asyncio.Event()
        self._scanned = asyncio.Event()
        self._delivered = asyncio.Event()
        self._ending = Ending()
        self._reason = "ended"
        self._has_left = False
        self._call: link.Call | None = None
        self._writing = asyncio.Lock()
        self._answers: list[pb.FromCollector] = []
        """What the collector has said and the mirror not yet heard."""
        self._complained: set[str] = set()
        """What was said of the collector since it was last reached."""
        self._unwatched: dict[str, str] = {}
        """Why which folder has to be scanned, as far as it was said."""
        loop = asyncio.get_running_loop()

        def heard() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        self._dumping = Dumping(config.spool, self._own_folder, self._mirror, self._in_mirror, say)
        self._hints = Hints(self._mirror.hold_early, heard)
        self._watcher = Watcher(self._hints)

    async def run(self) -> None:
        """Live. Raises AgentError if something must be told to whoever started the agent."""
        self._ending.listen_to_signals()
        self._make_folders()
        account = Account(self._own_folder, self._mirror.watch, self._say)
        try:
            await self._in_mirror(account.list_processes)
            await self._note(account, f"agent {version('ranklog')} on {self._config.node_id}, pid {os.getpid()}")
            if self._config.prep:
                await self._run_command(account, self._config.prep, "prep")
            await self._mirror_until_the_end(account)
        finally:
            self._watcher.close()
            withdraw(self._config)
            self._thread.shutdown(cancel_futures=True)

    async def _mirror_until_the_end(self, account: Account) -> None:
        observing = self._new_observing(account) if self._config.sample_s else None
        async with Relay(self._config, self._say) as relay, TaskGroup() as tasks:
            announce(self._config, self._say)
            lasting = [
                tasks.create_task(self._keep_scanning()),
                tasks.create_task(self._keep_connected()),
                tasks.create_task(self._keep_sending()),
                tasks.create_task(self._keep_tending(observing)),
                tasks.create_task(self._dumping.keep()),
            ]
            if observing is not None:
                lasting.append(tasks.create_task(observing.keep(self._config.sample_s)))
            await self._wait_for_the_end()
            await relay.close()  # what is logged from now on, nobody would deliver
            await self._drain(account, observing)
            for task in lasting:
                task.cancel()

    # ---- the end ----------------------------------------------------------------------------------------------------

    async def _wait_for_the_end(self) -> None:
        """Until the job is over, a signal comes, or the process that stands for the job is gone."""
        await self._ending.wait(lambda: self._in_mirror(self._mirror.has_living), self._config.grace_s)
        if not self._ending.over.is_set() and not await self._in_mirror(self._mirror.has_job_ended):
            self._reason = "signalled"

    async def _drain(self, account: Account, observing: Observing | None) -> None:
        """Deliver what is left, up to the deadline, and say goodbye.

        A signal that comes now ends what is under way: the command of --release, then the delivery.
        """
        if self._config.release:
            await self._run_command(account, self._config.release, "release")
            self._ending.stop.clear()
        if observing is not None:
            await observing.finish()
        await self._note(account, f"agent leaves: {self._reason}")
        await self._in_mirror(self._mirror.finish)
        deadline = time.monotonic() + self._config.drain_timeout_s
        while not await self._in_mirror(lambda: self._mirror.is_delivered):
            if time.monotonic() > deadline or self._ending.stop.is_set():
                await self._part("deadline")
                raise NotDeliveredError(await self._in_mirror(self._what_is_left))
            self._wake.set()
            self._delivered.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._delivered.wait(), 0.25)
            await self._in_mirror(self._mirror.finish)
        await self._part(self._reason)
        await self._in_mirror(self._mirror.settle)

    async def _part(self, reason: str) -> None:
        """Say goodbye and wait for the collector to end the stream, so that the word has surely arrived."""
        self._has_left = True
        call = self._call
        if call is None:
            return
        undelivered = await self._in_mirror(lambda: self._mirror.backlog)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.TimeoutError, asyncio.InvalidStateError):
            await self._write(call, wire.goodbye(reason, undelivered))
            await call.done_writing()
            await asyncio.wait_for(call.wait_for_connection(), 1.0)
            await asyncio.wait_for(call.code(), 2.0)

    def _what_is_left(self) -> str:
        return (
            f"{self._mirror.backlog} bytes could not be delivered to {self._config.collector} in time; "
            f"they are still in the files on this node: start the agent again to deliver them"
        )

    # ---- files ------------------------------------------------------------------------------------------------------

    async def _keep_scanning(self) -> None:
        """Scan everything now and then, and often what raises no events."""
        full_at = 0.0
        while True:
            unwatched, cost_s = self._watch_more(), 0.0
            if self._watcher.take_doubt() or time.monotonic() >= full_at:
                cost_s = await self._in_mirror(self._mirror.scan)
                full_at = time.monotonic() + max(self._config.scan_idle_s, cost_s / SCAN_SHARE)
                self._scanned.set()
            elif unwatched:
                cost_s = await self._in_mirror(self._mirror.scan_unwatched, unwatched)
            self._wake.set()
            await asyncio.sleep(max(self._config.scan_s if unwatched else 1.0, cost_s / SCAN_SHARE_UNWATCHED))

    async def _keep_tending(self, observing: Observing | None) -> None:
        pid = self._config.ends_with_pid
        ticks = procfs.start_ticks(pid) if pid is not None else None
        seen = 0
        while True:
            has_news = await self._in_mirror(self._mirror.tend)
            if has_news or self._answers:
                self._wake.set()
            if observing is not None and self._mirror.jobs.count > seen:
                seen = self._mirror.jobs.count
                observing.hurry()
            if pid is None:
                is_over = self._mirror.is_job_over and not self._config.stays
            else:
                is_over = ticks is None or procfs.start_ticks(pid) != ticks
            if is_over:
                self._ending.over.set()
            await asyncio.sleep(TEND_S)

    def _make_folders(self) -> None:
        """Make the spool. Without it no rank can be captured, but files that are watched can still be mirrored."""
        try:
            os.makedirs(spool.procs_folder(self._config.spool), mode=0o700, exist_ok=True)
            os.makedirs(spool.streams_folder(self._config.spool), mode=0o700, exist_ok=True)
            os.makedirs(self._own_folder, mode=0o700, exist_ok=True)
        except OSError as error:
            if not self._config.rules:
                raise
            self._say(f"cannot make the spool {self._config.spool}: {error.strerror}; only watched files are mirrored")

    def _watch_more(self) -> list[str]:
        """Watch what is not watched yet; returns the folders that must be scanned."""
        folders = {self._config.spool: True} | {rule.base: rule.depth != 0 for rule in self._config.rules}
        unwatched = []
        for folder, recursive in folders.items():
            why = self._watcher.add(folder, recursive)
            if why is not None:
                unwatched.append(folder)
            if why is not None and os.path.isdir(folder) and self._unwatched.get(folder) != why:
                self._unwatched[folder] = why
                self._say(f"{folder} is scanned every {self._config.scan_s} s: {why}")
        return unwatched

    # ---- the collector ----------------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        await self._scanned.wait()
        while not self._has_left:
            try:
                await self._converse()
            except grpc.aio.AioRpcError as error:
                link.refuse_if_final(error)
                self._complain_once(f"lost {self._config.collector}: {error.details()}; trying again")
            except (asyncio.TimeoutError, OSError):
                self._complain_once(f"no answer from {self._config.collector}; trying again")
            finally:
                self._call = None
                self._answers.clear()
            await self._in_mirror(self._mirror.disconnected)
            await asyncio.sleep(self._backoff.wait_s(random.random()))

    async def _converse(self) -> None:
        """One session, until it breaks."""
        ip = self._config.node_ip or link.address_towards(self._config.collector)
        if ip is None:
            raise OSError("no route")
        async with link.connect(self._config) as call:
            cold = self._mirror.is_cold
            await call.write(link.hello(self._config, ip, self._epoch, cold, version("ranklog")))
            first: Any = await asyncio.wait_for(call.read(), link.CONNECT_TIMEOUT_S)
            if first is grpc.aio.EOF or not isinstance(first, pb.FromCollector):
                await link.raise_status(call)
            if first.WhichOneof("kind") == "farewell":
                self._heed_farewell(first)
            await self._in_mirror(self._mirror.connected, first.welcome.window_bytes)
            self._backoff.reset()
            self._complained.clear()
            self._call = call
            self._wake.set()
            beats = asyncio.create_task(self._keep_beating(call))
            try:
                await self._keep_listening(call)
            finally:
                beats.cancel()
                # Waiting, not awaiting: its failure is the session's, and a cancellation of ours must not be mistaken.
                await asyncio.wait([beats])
            await link.raise_status(call)

    async def _keep_listening(self, call: link.Call) -> None:
        while True:
            message: Any = await call.read()
            if message is grpc.aio.EOF:
                return
            kind = message.WhichOneof("kind")
            if kind == "clock":
                reply = message.clock
                self._clock.sample(reply.agent_time, reply.received_time, reply.sent_time, time.time_ns())
            elif kind == "dump_stacks":
                self._dumping.take(wire.dump_request(message.dump_stacks))
            elif kind == "farewell":
                self._heed_farewell(message)
                return
            else:
                # Acknowledgements can wait for the next occasion, as a rule: each step of the mirror costs two switches
                # between threads.
                self._answers.append(message)
                if kind not in ("ack", "process_ack") or self._mirror.awaits_acks:
                    self._wake.set()

    async def _keep_beating(self, call: link.Call) -> None:
        while True:
            # Measured by the mirror's thread; asking it now would make a stalled disk look like a lost node.
            await self._write(call, wire.heartbeat(time.time_ns(), self._clock.best, self._mirror.last_backlog))
            await asyncio.sleep(self._config.heartbeat_s)

    async def _keep_sending(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            is_last = False
            while not is_last:
                paths = self._hints.take()
                answers, self._answers = self._answers, []
                batch = await self._in_mirror(self._mirror.step, paths, answers)
                is_last = batch.is_last
                if answers:
                    self._delivered.set()
                await self._send(batch.messages)

    async def _send(self, messages: list[bytes]) -> None:
        """Send what belongs to the present session; what is not sent when it breaks, the next one asks for anew."""
        call = self._call
        if call is not None:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                for message in messages:
                    await self._write(call, message)

    async def _write(self, call: link.Call, message: bytes) -> None:
        """Write one message after the other: of two at once gRPC refuses one and ends the call."""
        async with self._writing:
            await call.write(message)

    def _heed_farewell(self, message: pb.FromCollector) -> None:
        if message.farewell.reason == pb.Farewell.FENCED:
            raise CollectorRefusedError(
                f"another agent has taken over node {self._config.node_id} of run {self._config.run_id}"
            )

    # ---- around it --------------------------------------------------------------------------------------------------

    async def _in_mirror(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _note(self, account: Account, text: str) -> None:
        self._say(text)
        await self._in_mirror(account.say, text)

    async def _run_command(self, account: Account, command: str, kind: str) -> None:
        output = await self._in_mirror(account.begin_command, command, kind)
        ended = await commands.run(command, output, self._ending.stop)
        await self._in_mirror(account.end_command, kind, str(ended))
        await self._note(account, f"--{kind} ended with exit code {ended.code}: {command}")

    def _new_observing(self, account: Account) -> Observing:
        folder = os.path.join(self._own_folder, "resources")

        async def ask() -> Present:
            return await self._in_mirror(self._mirror.present)

        async def watch(path: str, process: str) -> None:
            await self._in_mirror(self._mirror.watch, path, "metrics", "resources", process)

        async def note(text: str) -> None:
            await self._in_mirror(account.say, text)

        return Observing(Observer(folder, self._say), folder, ask, watch, note)

    @property
    def _own_folder(self) -> str:
        return spool.agent_folder(self._config.spool, self._config.hostname)

    def _complain_once(self, text: str) -> None:
        if text not in self._complained:
            self._complained.add(text)
            self._say(text)


async def run(config: Config, say: Callable[[str], None]) -> None:
    """Run an agent to its end. Raises AgentError."""
    try:
        await Agent(config, say).run()
    except BaseExceptionGroup as group:
        errors = [error for error in group.exceptions if isinstance(error, AgentError)]
        if errors:
            raise errors[0] from None
        raise
