"""Trackers that a bench compares with, in a virtual environment of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.figures import say
from bench.processes import BenchError

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv-rivals"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = {
    "tensorboardx": "tensorboardX",
    "trackio": "trackio",
    "aim": "aim",
    "mlflow": "mlflow",
}
INSTALL_TIMEOUT_S = 900.0


def install(tracker: str) -> str:
    """Install a tracker unless it is there; tells its version. Raises BenchError if it cannot be had."""
    try:
        if not PYTHON.exists():
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True, capture_output=True)
        return _version(tracker) or _installed(tracker)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
        raise BenchError(f"{tracker} cannot be installed: {said[-1] if said else error}") from error


def _installed(tracker: str) -> str:
    say(f"installing {tracker} in {VENV}")
    words = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENTS[tracker]]
    subprocess.run(words, check=True, capture_output=True, timeout=INSTALL_TIMEOUT_S)
    version = _version(tracker)
    if version is None:
        raise BenchError(f"{tracker} was installed but is not there")
    return version


def _version(tracker: str) -> str | None:
    code = f"from importlib.metadata import version; print(version({REQUIREMENTS[tracker]!r}))"
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
