"""Running `ranklog exec` and looking at what it leaves in the spool."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ranklog import spool

EXEC = [sys.executable, "-m", "ranklog", "exec"]
PATIENCE_S = 60
LAUNCHER_PREFIXES = ("OMPI_", "PMI", "SLURM_", "TORCHELASTIC_", "RANKLOG_", "MPI_", "PET_")
LAUNCHER_NAMES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "NO_COLOR", "FORCE_COLOR", "JOB_COMPLETION_INDEX")


def environment(**changes: str) -> dict[str, str]:
    """Give this process's environment, as if no launcher had started it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(LAUNCHER_PREFIXES) and name not in LAUNCHER_NAMES
    }
    return {**kept, **changes}


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_S} s: {what}")
        time.sleep(0.01)


@dataclass(frozen=True)
class Spooled:
    """What is in a spool."""

    folder: Path

    def processes(self) -> list[spool.ProcessRecord]:
        """All processes, by rank."""
        return sorted(
            (spool.parse_process(raw) for raw in self._records(is_exit=False)), key=lambda each: each.rank or 0
        )

    def process(self) -> spool.ProcessRecord:
        """The only process."""
        (record,) = self.processes()
        return record

    def ends(self) -> list[spool.ExitRecord]:
        """How they ended."""
        return [spool.parse_exit(raw) for raw in self._records(is_exit=True)]

    def end(self) -> spool.ExitRecord:
        """How the only one ended."""
        (record,) = self.ends()
        return record

    def log(self, kind: str = "stdout", rank: int | None = None) -> bytes:
        """Output of the only process, or of one rank."""
        records = [record for record in self.processes() if rank is None or record.rank == rank]
        (file,) = [stream.file for record in records for stream in record.streams if stream.kind == kind]
        return (self.folder / file).read_bytes()

    def _records(self, *, is_exit: bool) -> list[bytes]:
        folder = self.folder / "procs"
        paths = sorted(folder.iterdir()) if folder.exists() else []
        keys = [(path, spool.key_of(path.name)) for path in paths]
        return [path.read_bytes() for path, (key, found_exit) in keys if key is not None and found_exit == is_exit]


@dataclass(frozen=True)
class Executor:
    """Runs `ranklog exec` with a spool of its own."""

    spool: Spooled
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def argv(self, *words: str) -> list[str]:
        """The whole command."""
        return [*EXEC, "--run", "r1", "--spool", str(self.spool.folder), *self.options, "--", *words]

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command; `options` are those of Popen."""
        return subprocess.Popen(self.argv(*words), **{"env": environment(**self.env), **options})

    def run(self, *words: str, input: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:  # noqa: A002
        """Run a command to its end."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        with self.start(*words, **pipes) as process:
            try:
                out, err = process.communicate(input, timeout=PATIENCE_S)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def python(self, code: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run Python code to its end."""
        return self.run(sys.executable, "-c", code, **options)

    def having(self, *options: str, **env: str) -> Executor:
        """The same with more options and variables."""
        return Executor(self.spool, (*self.options, *options), {**self.env, **env})
