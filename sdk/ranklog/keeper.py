"""Who brings an interactive run home: a process beside this one, with an agent and, if need be, a collector."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ranklog.run.own_log import warn

NEEDED = ("grpc", "watchdog", "psutil")
"""What the collector's and the agent's packages need beyond the SDK."""
WORDS = "keeper.log"
"""In the spool: what the keeper has to say."""
WHOLE_S = 60.0
"""How long the run folder may take to become whole."""
WORDS_BYTES_MAX = 4096


@dataclass(frozen=True)
class Errand:
    """What is to be brought where."""

    run_id: str
    experiment: str
    spool: str
    key: str
    root: str
    """The folder of all runs; of no consequence with a collector elsewhere."""
    collector: str | None
    token: str | None
    outputs: str | None
    """Files below this folder that are changed during the run are part of it."""
    began_s: float


class Keeper:
    """A keeper that was started; `wait` for it once the run has ended."""

    def __init__(self, errand: Errand, process: subprocess.Popen[bytes]) -> None:
        self._errand = errand
        self._process = process

    def wait(self) -> bool:
        """Wait until everything is where it belongs; False, after a warning, if it is not."""
        try:
            code = self._process.wait(WHOLE_S)
        except subprocess.TimeoutExpired:
            code = None
        if code == 0:
            return True
        errand, state = self._errand, "is not done yet" if code is None else f"ended with {code}: {self._last_words()}"
        warn(
            f"run {errand.run_id} may not be complete in {errand.collector or errand.root}: its keeper {state}. "
            f"What was logged is in {errand.spool}"
        )
        return False

    def _last_words(self) -> str:
        try:
            with open(os.path.join(self._errand.spool, WORDS), "rb") as file:
                said = file.read()[-WORDS_BYTES_MAX:].decode(errors="replace").strip()
        except OSError:
            said = ""
        return said.rpartition("\n")[2] or "it said nothing"


def start(errand: Errand, environ: Mapping[str, str]) -> Keeper | None:
    """Start a keeper; None, after a warning, if what it needs is not installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing or not sys.executable:
        reason = f"{', '.join(missing)} is not installed" if missing else "there is no Python program to start it with"
        warn(
            f"run {errand.run_id} stays in {errand.spool}, since {reason}: "
            "pip install 'ranklog[all]', or start `ranklog agent` there"
        )
        return None
    words = os.open(os.path.join(errand.spool, WORDS), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            _command(errand),
            # Not the user's: a module there could stand before one that the keeper imports.
            cwd="/",
            env=_environment(environ, errand.token),
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            # Ctrl-C is meant for the one who presses it.
            start_new_session=True,
        )
    except OSError as error:
        warn(f"run {errand.run_id} stays in {errand.spool}: {sys.executable} cannot be started: {error.strerror}")
        return None
    finally:
        os.close(words)
    return Keeper(errand, process)


def _command(errand: Errand) -> list[str]:
    command = [sys.executable, "-m", "ranklog", "keep", "--run", errand.run_id, "--experiment", errand.experiment]
    command += ["--spool", errand.spool, "--key", errand.key, "--changed-since", f"{errand.began_s:.3f}"]
    command += ["--collector", errand.collector] if errand.collector else ["--root", errand.root]
    return command + (["--outputs", errand.outputs] if errand.outputs else [])


def _environment(environ: Mapping[str, str], token: str | None) -> dict[str, str]:
    """Not that of a member of a run."""
    ours = {name: value for name, value in environ.items() if "RANKLOG_" not in name.upper() or name == "RANKLOG_DEBUG"}
    settings = {name: environ[name] for name in ("RANKLOG_NODE_IP",) if name in environ}
    return {**ours, **settings, **({"RANKLOG_TOKEN": token} if token else {})}
