"""MLflow's client with ranklog beside it, and MLflow's own server."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from bench import rivals
from bench.processes import BenchError, Process, running, until

PYTHON = rivals.ROOT / ".venv-launchers" / "mlflow" / "bin" / "python"
"""As script/install-test-programs makes it."""
SERVER_TIMEOUT_S = 120.0
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def check_installed() -> None:
    """Raise BenchError if MLflow's client is not there."""
    if not PYTHON.exists():
        raise BenchError(f"there is no {PYTHON}: script/install-test-programs makes it")


@contextmanager
def server(folder: str, *more: str, python: str = str(PYTHON)) -> Iterator[tuple[int, Process]]:
    """MLflow's server on an SQLite store; its port."""
    port = free_port()
    words = [python, "-m", "mlflow", "server", "--port", str(port), *more]
    words += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/artifacts"]
    with answering(Process(words, f"{folder}/mlflow-server.log", QUIET), port) as started:
        yield port, started


@contextmanager
def answering(server: Process, port: int) -> Iterator[Process]:
    """A server, from when it answers."""
    with running(server):
        until(lambda: is_up(f"http://127.0.0.1:{port}"), "the server answers", SERVER_TIMEOUT_S, [server])
        yield server


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def is_up(url: str) -> bool:
    """Whether a tracking server answers."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
