"""The collector's life: listen, say so, serve until a signal comes, send the agents away, make all durable, leave."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import grpc
import grpc.aio

from ranklog_collector.config import Config
from ranklog_collector.errors import ConfigError
from ranklog_collector.http import process as http
from ranklog_collector.ingest.runs import Runs
from ranklog_collector.ingest.service import IngestService
from ranklog_collector.series.sealing import sealing
from ranklog_collector.store.durable import Durability
from ranklog_collector.store.local import LocalStore
from ranklog_collector.store.open_files import OpenFiles

START_TIMEOUT_S = 10.0
FAREWELL_S = 2.0
"""How long agents have to take their leave."""
SAME_S = 1.0
"""A signal that comes again so soon was sent twice."""
GRACE_LOOK_S = 0.1
"""How often it is looked whether runs have ended."""
THREADS = 16
"""For calls that a disk may hold up; two of them serve one busy run."""
MESSAGE_OVERHEAD = 1 << 20
"""Beside a message's payload: what describes its chunks."""


class Collector:
    """A collector that serves."""

    def __init__(self, address: str, url: str | None, runs: Runs) -> None:
        self.address = address
        """host:port that agents connect to."""
        self.url = url
        """Where HTTP is served, if it is."""
        self.runs = runs

    async def wait_run_ended(self, run_id: str) -> str:
        """Wait until a run has come and ended; returns its final state: completed, failed, canceled or lost."""
        return await self.runs.wait_ended(run_id)


@asynccontextmanager
async def serving(config: Config) -> AsyncIterator[Collector]:
    """Serve for the length of the block, on the running event loop.

    When the block is left, agents are sent away, and what they have sent is made durable. Raises ConfigError if the
    collector cannot start.
    """
    _make_root(config.root)
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="collector")
    durability = Durability()
    files = OpenFiles(_open_files_max() // 2)
    runs = Runs(
        os.path.abspath(config.root),
        lambda folder: LocalStore(folder, files, durability),
        threads,
        config.limits.runs_max,
        config.limits.streams_max,
        config.stacks_after_silence_s,
    )
    server = grpc.aio.server(options=_options(config))
    server.add_generic_rpc_handlers((IngestService(runs, config.token, config.limits).handler(),))
    async with http.serving(config, runs.figures) as url:
        address = _listen(server, config)
        serve = asyncio.create_task(runs.serve())
        try:
            await asyncio.wait_for(server.start(), START_TIMEOUT_S)
            async with sealing(runs.points):
                yield Collector(address, url, runs)
        finally:
            runs.farewell()
            await server.stop(FAREWELL_S)
            runs.stop()
            await serve
            durability.close()
            threads.shutdown()


async def run(config: Config, ready: Callable[[Collector], None]) -> None:
    """Serve until SIGTERM or SIGINT, and see runs through that may be about to end. Raises ConfigError.

    A second signal ends that wait, one after it the process at once.
    """
    stop, hurry = asyncio.Event(), asyncio.Event()
    signalled_s = -SAME_S

    def on_signal(number: int) -> None:
        nonlocal signalled_s
        if time.monotonic() - signalled_s < SAME_S:
            return
        signalled_s = time.monotonic()
        if hurry.is_set():
            os._exit(128 + number)
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    async with serving(config) as collector:
        ready(collector)
        await stop.wait()
        await _see_through(collector.runs, config.grace_s, hurry)
        hurry.set()


async def _see_through(runs: Runs, grace_s: float, hurry: asyncio.Event) -> None:
    """Wait for the ends of runs that have agents now, for `grace_s` at most: who ends us may be ending them, too."""
    under_way = [run for run in runs if run.sessions]
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and any(run.sessions or not run.is_ended for run in under_way):
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(hurry.wait(), GRACE_LOOK_S)
            return


def _make_root(root: str) -> None:
    try:
        os.makedirs(root, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {root}: {error.strerror}; name another with --root") from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise ConfigError(f"the folder {root} is not writable; name another with --root")


def _open_files_max() -> int:
    """Raise the limit of open files as far as it may go: each agent is a socket, each stream a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(soft, 65_536)


def _listen(server: grpc.aio.Server, config: Config) -> str:
    host, colon, _ = config.grpc.rpartition(":")
    if not colon:
        raise ConfigError(f"{config.grpc!r} is no address: say HOST:PORT")
    try:
        if config.tls is None:
            port = server.add_insecure_port(config.grpc)
        else:
            tls = config.tls
            credentials = grpc.ssl_server_credentials(
                [(tls.key, tls.certificate)], tls.client_ca, require_client_auth=tls.client_ca is not None
            )
            port = server.add_secure_port(config.grpc, credentials)
    except RuntimeError:
        port = 0
    if not port:
        likely = "is the port taken, is the address one of this machine"
        if config.tls is not None:
            likely += ", does the key belong to the certificate"
        raise ConfigError(f"cannot listen on {config.grpc}: {likely}?")
    return f"{host}:{port}"


def _options(config: Config) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", config.limits.message_bytes_max + MESSAGE_OVERHEAD),
        # Two collectors on one port would share the agents between them, unnoticed.
        ("grpc.so_reuseport", 0),
        # What measured best: large frames, and enough in flight for one stream to fill a fast network.
        ("grpc.http2.max_frame_size", (1 << 24) - 1),
        ("grpc.http2.lookahead_bytes", config.limits.window_bytes_max),
        ("grpc.http2.write_buffer_size", 1 << 20),
        # Agents that are gone without a word are noticed, and theirs to look for us is let pass.
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        ("grpc.http2.max_ping_strikes", 0),
    ]
