"""The HTTP process seen from the collector that owns it: listen, start it, start it again if it dies, end it."""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from ranklog_collector.config import Config, Http
from ranklog_collector.core.figures import Figures
from ranklog_collector.errors import ConfigError
from ranklog_collector.http.figures import publish
from ranklog_collector.http.settings import Settings

COMMAND = "import sys; del sys.path[0]; from ranklog_collector.http.serve import main; main()"
"""The working folder, which Python would search first, may have anything in it."""
RESTART_S, RESTART_S_MAX = 0.5, 30.0
"""Before a new start; each further one takes twice as long."""
LIVED_S = 60.0
"""A process that has lived so long was in order."""
LEAVE_S = 3.0
PUBLISH_S = 1.0
"""Between two publications of the collector's figures."""
BACKLOG = 256
PORT_MAX = 65535

log = logging.getLogger("ranklog.collector")


@asynccontextmanager
async def serving(config: Config, figures: Callable[[], Figures]) -> AsyncIterator[str | None]:
    """Serve HTTP for the length of the block, if the collector is to; yields the URL.

    `figures` tells how the collector is. Raises ConfigError.
    """
    if config.http is None:
        yield None
        return
    listening = _listen(config.http.address)
    stopping = asyncio.Event()
    task = asyncio.create_task(
        _HttpProcess(listening, _settings(config, config.http, listening), figures, stopping).run()
    )
    try:
        scheme, host = "http" if config.tls is None else "https", config.http.address.rpartition(":")[0]
        yield f"{scheme}://{host}:{listening.getsockname()[1]}"
    finally:
        stopping.set()
        await task


class _HttpProcess:
    """Serves a listening socket, which is closed when `run`, its life, is over."""

    def __init__(
        self, listening: socket.socket, settings: Settings, figures: Callable[[], Figures], stopping: asyncio.Event
    ) -> None:
        self._listening = listening
        self._settings = settings
        self._figures = figures
        self._stopping = stopping

    async def run(self) -> None:
        """Keep a process alive until it is time to stop."""
        pause_s = RESTART_S
        publishing = asyncio.create_task(self._publish())
        try:
            while not self._stopping.is_set():
                began_s = time.monotonic()
                words = await self._live()
                if self._stopping.is_set():
                    return
                pause_s = RESTART_S if time.monotonic() - began_s > LIVED_S else pause_s
                log.warning("the HTTP process %s; it is started again in %.1f s", words, pause_s)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause_s)
                pause_s = min(2 * pause_s, RESTART_S_MAX)
        finally:
            publishing.cancel()
            await asyncio.wait([publishing])
            self._listening.close()
            os.close(self._settings.figures)

    async def _publish(self) -> None:
        while True:
            publish(self._settings.figures, self._figures())
            await asyncio.sleep(PUBLISH_S)

    async def _live(self) -> str:
        """Start a process and wait for its end, which is told in words."""
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", COMMAND),
                stdin=PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=PIPE,
                pass_fds=(self._settings.socket, self._settings.figures),
                start_new_session=True,
            )
        except OSError as error:
            return f"could not be started: {error.strerror}"
        telling = asyncio.create_task(_tell(process))
        leaving = asyncio.create_task(self._send_home(process))
        try:
            await self._instruct(process)
            code = await process.wait()
            return f"ended with {signal.Signals(-code).name if code < 0 else code}"
        finally:
            leaving.cancel()
            await asyncio.gather(telling, leaving, return_exceptions=True)

    async def _instruct(self, process: Process) -> None:
        assert process.stdin is not None
        with suppress(ConnectionError):
            process.stdin.write(self._settings.dump())
            await process.stdin.drain()
        process.stdin.close()

    async def _send_home(self, process: Process) -> None:
        await self._stopping.wait()
        with suppress(ProcessLookupError):
            process.terminate()
            await asyncio.sleep(LEAVE_S)
            process.kill()


async def _tell(process: Process) -> None:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        log.warning("http: %s", line.decode(errors="replace").rstrip())


def _settings(config: Config, http: Http, listening: socket.socket) -> Settings:
    return Settings(
        root=os.path.abspath(config.root),
        catalog=http.catalog,
        token=http.token,
        tls=config.tls,
        is_loopback=ipaddress.ip_address(listening.getsockname()[0]).is_loopback,
        socket=listening.fileno(),
        figures=os.memfd_create("figures"),
        parent=os.getpid(),
    )


def _listen(address: str) -> socket.socket:
    """Listen on HOST:PORT. Raises ConfigError."""
    missing = [name for name in ("fastapi", "uvicorn", "prometheus_client") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"HTTP needs {', '.join(missing)}: pip install 'ranklog[collector]'")
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    # The system's own look-up would take the port modulo 65536.
    if not colon or not host or not port.isdecimal() or int(port) > PORT_MAX:
        raise ConfigError(f"{address!r} is no address: say HOST:PORT")
    try:
        family, _, _, _, place = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot listen on {address} for HTTP: {reason}") from None
