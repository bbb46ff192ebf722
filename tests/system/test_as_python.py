"""`ranklog-python` stands in for the Python that torchrun would have started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def _run(arguments: list[str], spool: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **os.environ,
        "RANKLOG_SPOOL": str(spool),
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "2",
        **variables,
    }
    return subprocess.run(arguments, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_it_runs_the_parents_python_under_exec(tmp_path: Path) -> None:
    child = (
        "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-m', 'ranklog.as_python', *sys.argv[1:]]))"
    )
    done = _run([sys.executable, "-c", child, "-c", "import sys; print(sys.executable); sys.exit(3)"], tmp_path)
    assert done.returncode == 3
    assert done.stdout.strip() == sys.executable
    (stream,) = tmp_path.glob("streams/1-*/stdout.log")
    assert stream.read_text().strip() == sys.executable


def test_the_interpreter_can_be_named(tmp_path: Path) -> None:
    named = tmp_path / "python-of-mine"
    named.symlink_to(sys.executable)
    done = _run(
        [sys.executable, "-m", "ranklog.as_python", "-c", "print('hello')"],
        tmp_path / "spool",
        RANKLOG_PYTHON=str(named),
    )
    assert (done.returncode, done.stdout.strip()) == (0, "hello")
