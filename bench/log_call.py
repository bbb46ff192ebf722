"""What one logged value costs the training process; beside TensorBoard's writer, trackio, Aim and MLflow."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench import rivals
from bench.command import run
from bench.figures import Figures, in_short, machine, medians, ratio, say, tell
from bench.processes import BenchError, Process, running, until

SERVER_TIMEOUT_S = 120.0
CONTESTANT_TIMEOUT_S = 600.0
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Contestant:
    """A tracker, how many calls of it are timed, and whether it talks to a server."""

    tracker: str
    calls: int
    has_server: bool = False

    @property
    def python(self) -> str:
        """The Python that has it."""
        return sys.executable if self.tracker == "ranklog" else str(rivals.PYTHON)


CONTESTANTS = {
    "ranklog": Contestant("ranklog", 100_000),
    "tensorboardx": Contestant("tensorboardx", 20_000),
    "trackio": Contestant("trackio", 20_000),
    "aim": Contestant("aim", 5_000),
    "mlflow_sqlite": Contestant("mlflow", 300),
    "mlflow_http": Contestant("mlflow", 100, has_server=True),
}


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.log_call", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of calls")
    parser.add_argument("--only", default=",".join(CONTESTANTS), help="contestants, separated by commas")
    options = parser.parse_args()
    present, versions, missing = _present(options.only.split(","))
    rounds: dict[str, list[Figures]] = {name: [] for name in present}
    for number in range(options.rounds):
        for name, contestant in present.items():
            figures = _measured(contestant, options.share)
            rounds[name].append(figures)
            say(f"round {number + 1}: {name:14}{in_short(figures)}")
    tell(
        {
            **machine("log_call"),
            "rounds": options.rounds,
            "versions": versions,
            "missing": missing,
            **{name: medians(figures) for name, figures in rounds.items()},
            # How many of our calls one of theirs lasts.
            **{f"times_{name}": ratio(rounds, name, "ranklog", "us") for name in present if name != "ranklog"},
        }
    )


def _present(names: list[str]) -> tuple[dict[str, Contestant], dict[str, str], dict[str, str]]:
    """Who can take part, their versions, and why others cannot."""
    present: dict[str, Contestant] = {}
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name in names:
        contestant = CONTESTANTS[name]
        try:
            if contestant.tracker != "ranklog" and contestant.tracker not in versions:
                versions[contestant.tracker] = rivals.install(contestant.tracker)
            present[name] = contestant
        except BenchError as error:
            missing[name] = str(error)
            say(f"{name} does not take part: {error}")
    return present, versions, missing


def _measured(contestant: Contestant, share: float) -> Figures:
    """One round, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="ranklog-bench-", ignore_cleanup_errors=True) as folder:
        if not contestant.has_server:
            return _timed(contestant, share, folder, "")
        with _server(contestant, folder) as url:
            return _timed(contestant, share, folder, url)


def _timed(contestant: Contestant, share: float, folder: str, url: str) -> Figures:
    calls = max(1, round(share * contestant.calls))
    words = [contestant.python, "-m", "bench.loggers", contestant.tracker, folder, str(calls), *([url] if url else [])]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RANKLOG_")} | QUIET
    done = subprocess.run(
        words, cwd=rivals.ROOT, env=environ, capture_output=True, text=True, timeout=CONTESTANT_TIMEOUT_S, check=False
    )
    if done.returncode:
        raise BenchError(f"{contestant.tracker} failed: {done.stderr.strip().splitlines()[-1:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


@contextmanager
def _server(contestant: Contestant, folder: str) -> Iterator[str]:
    """MLflow's server on an SQLite store, with one worker."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    words = [contestant.python, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/artifacts"]
    with running(Process(words, os.path.join(folder, "server.log"), QUIET)) as server:
        until(lambda: is_up(url), "MLflow's server answers", SERVER_TIMEOUT_S, [server])
        yield url


def is_up(url: str) -> bool:
    """Whether MLflow's server answers."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    run(main)
