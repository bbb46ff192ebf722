"""What one `mlflow.log_metric` costs: by ranklog://, by the agent's relay, and by MLflow's own stores and server."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench import log_call, rivals
from bench.command import run
from bench.figures import Figures, in_short, machine, medians, ratio, say, tell
from bench.processes import BenchError, Process, running, until
from ranklog import relay_place

PYTHON = rivals.ROOT / ".venv-launchers" / "mlflow" / "bin" / "python"
"""MLflow's client with ranklog beside it, as script/install-test-programs makes it."""
TIMEOUT_S = 600.0
READY_S = 30.0
CALLS = {"run_log": 20_000, "ranklog": 5_000, "relay": 500, "file": 1_000, "sqlite": 300, "http": 100}
QUIET = {**log_call.QUIET, "MLFLOW_ALLOW_FILE_STORE": "true"}


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.mlflow_plugin", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of calls")
    parser.add_argument("--only", default=",".join(CALLS), help="ways, separated by commas")
    options = parser.parse_args()
    if not PYTHON.exists():
        raise BenchError(f"there is no {PYTHON}: script/install-test-programs makes it")
    rounds: dict[str, list[Figures]] = {name: [] for name in options.only.split(",")}
    for number in range(options.rounds):
        for name, found in rounds.items():
            found.append(_measured(name, max(1, round(options.share * CALLS[name]))))
            say(f"round {number + 1}: {name:8}{in_short(found[-1])}")
    others = [name for name in rounds if name != "ranklog"] if "ranklog" in rounds else []
    tell(
        {
            **machine("mlflow_plugin"),
            "rounds": options.rounds,
            **{name: medians(found) for name, found in rounds.items()},
            **{f"times_{name}": ratio(rounds, name, "ranklog", "us") for name in others},
        }
    )


def _measured(name: str, calls: int) -> Figures:
    """One round, in a process of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="ranklog-bench-", ignore_cleanup_errors=True) as folder,
        WAYS[name](folder) as (url, environment),
    ):
        tracker = "ranklog" if name == "run_log" else "mlflow"
        words = [str(PYTHON), "-m", "bench.loggers", tracker, folder, str(calls), url]
        if name == "relay":
            words = [sys.executable, "-m", "ranklog", "exec", "--", *words]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("RANKLOG_", "MLFLOW_"))}
        done = subprocess.run(
            words,
            cwd=rivals.ROOT,
            env={**kept, **QUIET, **environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        raise BenchError(f"{name} failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


Told = tuple[str, Mapping[str, str]]
"""A tracking URI, and what the environment says."""


@contextmanager
def _spooled(folder: str) -> Iterator[Told]:
    """In a job without anybody else: the spool alone."""
    yield "ranklog://", {"RANKLOG_SPOOL": folder, "RANKLOG_RUN_ID": "bench"}


@contextmanager
def _relayed(folder: str) -> Iterator[Told]:
    """Through an agent, whose collector is not there."""
    job = {"RANKLOG_SPOOL": folder, "RANKLOG_RUN_ID": "bench"}
    words = [sys.executable, "-m", "ranklog", "agent", "--collector", "127.0.0.1:9", "--run", "bench"]
    hostname = os.uname().nodename
    with running(Process([*words, "--spool", folder, "--stay"], os.path.join(folder, "agent.log"), {})) as agent:
        until(lambda: relay_place.find(folder, hostname) is not None, "the relay listens", READY_S, [agent])
        yield "", job


@contextmanager
def _at(url: str) -> Iterator[Told]:
    yield url, {}


@contextmanager
def _served(folder: str) -> Iterator[Told]:
    """MLflow's server on an SQLite store, with one worker."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    words = [str(PYTHON), "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/artifacts"]
    with running(Process(words, os.path.join(folder, "server.log"), QUIET)) as server:
        until(lambda: log_call.is_up(url), "MLflow's server answers", log_call.SERVER_TIMEOUT_S, [server])
        yield url, {}


WAYS: dict[str, Callable[[str], AbstractContextManager[Told]]] = {
    "run_log": _spooled,
    "ranklog": _spooled,
    "relay": _relayed,
    "file": lambda folder: _at(str(Path(folder, "mlruns"))),
    "sqlite": lambda folder: _at(f"sqlite:///{folder}/mlflow.db"),
    "http": _served,
}


if __name__ == "__main__":
    run(main)
