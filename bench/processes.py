"""Processes that a bench starts, and what they cost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

MIB = 1 << 20
STOP_TIMEOUT_S = 90.0
POLL_S = 0.002


class BenchError(Exception):
    """A measurement that cannot be had; the text says why."""


class Process:
    """A running program. Its output goes to a log file, after which it is named, and of which errors show the end."""

    def __init__(
        self, argv: Sequence[str], log: str, environment: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
    ) -> None:
        self._log = log
        self._name = os.path.basename(log).removesuffix(".log")
        with open(log, "ab") as output:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**_plain_environment(), **(environment or {})},
                pass_fds=pass_fds,
                start_new_session=True,
            )
        self.pid = self._child.pid

    @property
    def cpu_s(self) -> float:
        """CPU seconds so far, user and system, of all its threads, by the kernel's clock of the process."""
        return cpu_s(self.pid)

    @property
    def peak_mib(self) -> float:
        """The most memory that it ever had resident."""
        return self._status("VmHWM")

    @property
    def resident_mib(self) -> float:
        """The memory that it has resident now."""
        return self._status("VmRSS")

    def require_alive(self) -> None:
        """Raise BenchError if it has ended."""
        if self._child.poll() is not None:
            raise BenchError(f"{self._name} ended with {self._child.returncode}: {self._last_words()}")

    def stop(self) -> None:
        """End it in its own way, and wait for that. Raises BenchError if it does not end well."""
        self._child.send_signal(signal.SIGTERM)
        try:
            code = self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise BenchError(f"{self._name} does not stop: {self._last_words()}") from None
        if code not in (0, -signal.SIGTERM, 128 + signal.SIGTERM):
            raise BenchError(f"{self._name} ended with {code}: {self._last_words()}")

    def kill(self) -> None:
        """End it and all that it has started, however; nothing happens if they have ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()

    def _status(self, field: str) -> float:
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024 / MIB
        raise BenchError(f"{self._name} has ended: {self._last_words()}")

    def _last_words(self) -> str:
        with open(self._log, encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:].strip() or "no output"


def cpu_s(pid: int) -> float:
    """See Process.cpu_s."""
    return time.clock_gettime(~pid << 3 | 2)


def proportional_mib(pid: int) -> float:
    """Memory of a process, counting what it shares with others by its share."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(text.split()[1]) for text in file if text.startswith("Pss:")) * 1024 / MIB


def children(pid: int) -> list[int]:
    """The processes that a process of one thread has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


@contextmanager
def running(process: Process) -> Iterator[Process]:
    """See to it that the process is gone at the end of the block."""
    try:
        yield process
    finally:
        process.kill()


def until(
    condition: Callable[[], bool],
    what: str,
    timeout_s: float,
    processes: Sequence[Process] = (),
    poll_s: float = POLL_S,
) -> None:
    """Wait for a condition. Raises BenchError after the time given, or when one of the processes ends meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        for process in processes:
            process.require_alive()
        if time.monotonic() > deadline:
            raise BenchError(f"waited {timeout_s:.0f} s in vain until {what}")
        time.sleep(poll_s)


def _plain_environment() -> dict[str, str]:
    """Ours, without what would steer ranklog."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RANKLOG_")}
