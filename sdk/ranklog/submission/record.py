"""What is kept of a submitted run in `<root>/.submitted/<run id>/`: its source, who starts it, and what that said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from ranklog.errors import UserError

FOLDER = ".submitted"
RECORD = "submission.json"
OUTPUT = "output.txt"
CANCELED = "canceled"
OUTPUT_BYTES_MAX = 8192


@dataclass(frozen=True)
class Submission:
    """A run that was submitted from this machine."""

    folder: str
    hostname: str
    words: Sequence[str]
    directory: str
    """Where the job runs."""
    definition: Mapping[str, object]
    """azureml's `runDefinition`."""
    spool: str | None = None
    """Of the job on this machine."""
    pid: int | None = None
    start_ticks: str | None = None
    slurm_job: str | None = None

    @property
    def is_starting_or_running(self) -> bool:
        """Whether what was started for it is still there, as far as can be told from here."""
        if self.slurm_job is not None:
            asked = subprocess.run(
                ["squeue", "--noheader", "--jobs", self.slurm_job], capture_output=True, check=False, text=True
            )
            return asked.returncode == 0 and bool(asked.stdout.strip())
        return self._is_here and self.start_ticks is not None and start_ticks(self.pid) == self.start_ticks

    @property
    def is_queued(self) -> bool:
        """Whether a scheduler is to start it."""
        return self.slurm_job is not None

    @property
    def is_canceled(self) -> bool:
        """Whether somebody has asked it to end."""
        return os.path.exists(os.path.join(self.folder, CANCELED))

    def cancel(self) -> None:
        """Ask it to end. Raises UserError if that is only possible on another machine."""
        if not self._is_here and self.slurm_job is None:
            raise UserError(f"the run was submitted on {self.hostname}: cancel it there")
        with suppress(OSError), open(os.path.join(self.folder, CANCELED), "wb"):
            pass
        if self.slurm_job is not None:
            subprocess.run(["scancel", self.slurm_job], capture_output=True, check=False)
        elif self.is_starting_or_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid or 0, signal.SIGTERM)

    def last_words(self) -> str:
        """The last line that the starting process has said."""
        with suppress(OSError), open(os.path.join(self.folder, OUTPUT), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - OUTPUT_BYTES_MAX))
            lines = file.read().decode(errors="replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""

    @property
    def _is_here(self) -> bool:
        return self.hostname == os.uname().nodename and self.pid is not None


def folder_of(root: str, run_id: str) -> str:
    """Where a submitted run's things are."""
    return os.path.join(root, FOLDER, run_id)


def write(submission: Submission) -> None:
    """Keep it. Raises OSError."""
    fresh = os.path.join(submission.folder, f".{RECORD}.new")
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(asdict(submission), file)
    os.replace(fresh, os.path.join(submission.folder, RECORD))


def read(root: str, run_id: str) -> Submission | None:
    """What is kept of a run; None if it was not submitted here, or the record is damaged."""
    try:
        with open(os.path.join(folder_of(root, run_id), RECORD), encoding="utf-8") as file:
            return Submission(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def start_ticks(pid: int | None) -> str | None:
    """When a process began, which tells it from a later one of its number; None if it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()
    except (OSError, IndexError):
        return None
