"""What one `mlflow.log_metric` costs: by ranklog://, by the agent's relay, and by MLflow's own stores and server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench import contest, mlflow_rival, rivals
from bench.command import run
from bench.figures import Figures, machine, medians, ratio, tell
from bench.processes import BenchError, Process, running, until
from ranklog import relay_place

TIMEOUT_S = 600.0
READY_S = 30.0
CALLS = {"run_log": 20_000, "ranklog": 5_000, "relay": 500, "file": 1_000, "sqlite": 300, "http": 100}
QUIET = {**mlflow_rival.QUIET, "MLFLOW_ALLOW_FILE_STORE": "true"}


def main() -> None:
    """Measure and tell."""
    asked = contest.options("mlflow_plugin", __doc__, CALLS, 5)
    mlflow_rival.check_installed()
    rounds = contest.held(asked, asked.only, lambda name: _measured(name, max(1, round(asked.share * CALLS[name]))))
    others = [name for name in rounds if name != "ranklog"] if "ranklog" in rounds else []
    tell(
        {
            **machine("mlflow_plugin"),
            "rounds": asked.rounds,
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
        words = [str(mlflow_rival.PYTHON), "-m", "bench.loggers", tracker, folder, str(calls), url]
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
    with mlflow_rival.server(folder, "--workers", "1") as (port, _):
        yield f"http://127.0.0.1:{port}", {}


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
