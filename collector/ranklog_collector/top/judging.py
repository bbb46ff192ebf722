"""Seeking a verdict in a process of its own: it may read the whole run, and the screen must not wait for that."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Hashable
from typing import Protocol

from ranklog_collector.core.verdict.finding import Verdict
from ranklog_collector.reading.folder import RunFolder

_COMMAND = "import sys; del sys.path[0]; from ranklog_collector.top.judging import main; main()"
"""The working folder, which Python would search first, may have anything in it."""
AGAIN_S = 5.0
"""A verdict on a run that goes on is sought again after so long: evidence grows."""
REST = 10
"""But it takes at most one part in so many of the time."""
FIRST_REST_S = 1.0


class Seeking(Protocol):
    """A verdict that is being sought."""

    def result(self) -> tuple[Verdict | None] | None:
        """What was found, once it has been: nothing, if seeking failed."""

    def close(self) -> None:
        """Stop, whether or not it is done."""


class ChildSeeking:
    """A verdict that is being sought by a child process."""

    def __init__(self, path: str, run: str) -> None:
        self._answer = tempfile.TemporaryFile()  # noqa: SIM115 - `close` does
        self._child = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, path, run],
            stdin=subprocess.DEVNULL,
            stdout=self._answer,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def result(self) -> tuple[Verdict | None] | None:
        """What was found, once it has been: nothing, if seeking failed."""
        if self._child.poll() is None:
            return None
        self._answer.seek(0)
        data = self._answer.read()
        return (pickle.loads(data) if data and self._child.returncode == 0 else None,)

    def close(self) -> None:
        """Stop, whether or not it is done."""
        self._child.kill()
        self._child.wait()
        self._answer.close()


def main() -> None:
    """In the child: seek, and write down what was found."""
    from ranklog_collector.verdict import judge

    sys.stdout.buffer.write(pickle.dumps(judge(RunFolder(sys.argv[1]), sys.argv[2])))


class Judging:
    """Keeps a verdict up to date with what there is to judge; `run` is what to type for it. For one thread."""

    def __init__(self, path: str, run: str = "", seek: Callable[[str, str], Seeking] = ChildSeeking) -> None:
        self._path, self._run = path, run
        self._seek = seek
        self._seeking: Seeking | None = None
        self._sought: Hashable = None
        self._began_s = 0.0
        self._rest_until_s = 0.0
        self._again_s = 0.0
        self.verdict: Verdict | None = None

    @property
    def is_seeking(self) -> bool:
        """Whether one is being sought."""
        return self._seeking is not None

    def follow(self, suspicion: Hashable, is_final: bool) -> None:
        """Seek, or take what was found. A final verdict is sought once."""
        self._take()
        if suspicion is None:
            self.verdict, self._sought = None, None
            return
        now_s = time.monotonic()
        is_due = suspicion != self._sought or (not is_final and now_s >= self._again_s)
        if self._seeking is None and is_due and now_s >= self._rest_until_s:
            self._began_s, self._sought = now_s, suspicion
            self._seeking = self._seek(self._path, self._run)

    def close(self) -> None:
        """Stop seeking."""
        if self._seeking is not None:
            self._seeking.close()
            self._seeking = None

    def _take(self) -> None:
        found = self._seeking.result() if self._seeking is not None else None
        if found is None:
            return
        self.close()
        now_s = time.monotonic()
        took_s = now_s - self._began_s
        self._rest_until_s = now_s + max(FIRST_REST_S, took_s)
        self._again_s = now_s + max(AGAIN_S, REST * took_s)
        self.verdict = found[0] or self.verdict
