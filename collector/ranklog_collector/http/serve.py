"""The HTTP process: serves until it is told to end, or until the collector is gone."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import socket
import ssl
import sys

import uvicorn
from anyio.to_thread import current_default_thread_limiter

from ranklog_collector.config import Tls
from ranklog_collector.http.app import make_app
from ranklog_collector.http.patience import PatientProtocol
from ranklog_collector.http.settings import Settings, load

CONNECTIONS_MAX = 1000
THREADS = 16
"""In which files are read; more requests wait their turn."""
HEAD_BYTES_MAX = 64 << 10
FAREWELL_S = 1
"""How long what is being answered has to come to an end."""
STUCK_S = 15
"""After so long without a sign of life the process is ended, to be started again."""
NICENESS = 5
"""Readers have to wait for what is written, not the other way round."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve as standard input says."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    settings = load(sys.stdin.buffer.read())
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != settings.parent:
        return
    os.nice(NICENESS)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    config = uvicorn.Config(
        make_app(settings),
        http=PatientProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=FAREWELL_S,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        limit_concurrency=CONNECTIONS_MAX,
        callback_notify=_show_life,
        timeout_notify=1,
    )
    current_default_thread_limiter().total_tokens = THREADS
    config.load()
    if settings.tls is not None:
        config.ssl = _tls(settings.tls)
    await uvicorn.Server(config).serve(sockets=[socket.socket(fileno=settings.socket)])


async def _show_life() -> None:
    signal.alarm(STUCK_S)


def _tls(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate = os.memfd_create("certificate")
    try:
        os.write(certificate, tls.certificate + b"\n" + tls.key)
        context.load_cert_chain(f"/proc/self/fd/{certificate}")
    finally:
        os.close(certificate)
    if tls.client_ca is not None:
        context.load_verify_locations(cadata=tls.client_ca.decode("ascii", errors="replace"))
        context.verify_mode = ssl.CERT_REQUIRED
    return context
