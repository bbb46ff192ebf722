"""What one logged value costs the training process; beside TensorBoard's writer, trackio, Aim and MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from bench import contest, mlflow_rival, rivals
from bench.command import run
from bench.figures import Figures, machine, medians, ratio, say, tell
from bench.processes import BenchError

CONTESTANT_TIMEOUT_S = 600.0


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
    asked = contest.options("log_call", __doc__, CONTESTANTS, 5)
    present, versions, missing = _present(asked.only)
    rounds = contest.held(asked, present, lambda name: _measured(present[name], asked.share))
    tell(
        {
            **machine("log_call"),
            "rounds": asked.rounds,
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
        with mlflow_rival.server(folder, "--workers", "1", python=contestant.python) as (port, _):
            return _timed(contestant, share, folder, f"http://127.0.0.1:{port}")


def _timed(contestant: Contestant, share: float, folder: str, url: str) -> Figures:
    calls = max(1, round(share * contestant.calls))
    words = [contestant.python, "-m", "bench.loggers", contestant.tracker, folder, str(calls), *([url] if url else [])]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RANKLOG_")}
    done = subprocess.run(
        words,
        cwd=rivals.ROOT,
        env={**kept, **mlflow_rival.QUIET},
        capture_output=True,
        text=True,
        timeout=CONTESTANT_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{contestant.tracker} failed: {done.stderr.strip().splitlines()[-1:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    run(main)
