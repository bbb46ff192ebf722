"""The programs that the tests run as ranks (tests/programs), ready to start."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SOURCES = REPOSITORY / "tests" / "programs"
BUILT = REPOSITORY / "build" / "test-programs"


def script(name: str) -> list[str]:
    """Give the words that start a script of tests/programs."""
    path = SOURCES / name
    return [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]


def compiled(name: str, compiler: str = "gcc", *flags: str) -> Path:
    """Compile a C program of tests/programs unless that has been done, and return its path."""
    source = SOURCES / f"{name}.c"
    command = [shutil.which(compiler) or compiler, *flags]
    key = hashlib.sha256(repr(command).encode() + source.read_bytes()).hexdigest()[:16]
    target = BUILT / key / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            fresh = Path(folder, name)
            subprocess.run([*command, "-Wall", "-O1", str(source), "-o", str(fresh)], check=True)
            fresh.replace(target)  # another session may be compiling the same
    return target
