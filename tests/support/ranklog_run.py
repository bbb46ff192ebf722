"""`ranklog run` as users start it: with pipes, or at a terminal where they can press keys."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ranklog_collector.reading.folder import RunFolder
from tests.support.pipeline import wait_until

CTRL_C = b"\x03"
PATIENCE_S = 120.0
TIMEOUT_S = 240.0


def command(*words: str, program: str = "run") -> list[str]:
    """Give the words that start `ranklog run`, or another of its commands."""
    return [str(Path(sys.executable).with_name("ranklog")), program, *words]


def environment(root: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment in which run folders and spools are below a folder of the test's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RANKLOG_", "OMPI_", "PMI"))}
    return {
        **kept,
        "RANKLOG_ROOT": str(root / "runs"),
        "RANKLOG_SPOOL": str(root / "spool"),
        "PYTHONUNBUFFERED": "1",
        **(more or {}),
    }


@dataclass(frozen=True)
class Result:
    """What came of it."""

    root: Path
    code: int
    out: str
    err: str

    @property
    def folder(self) -> Path:
        """The run folder."""
        (journal,) = (self.root / "runs").glob("*/*/.ranklog")
        return journal.parent

    @property
    def run(self) -> RunFolder:
        """The run folder as its readers see it."""
        return RunFolder(str(self.folder))

    def file(self, path: str) -> bytes:
        """A file of the run folder."""
        return (self.folder / path).read_bytes()


def ranklog_run(
    root: Path, *words: str, more: Mapping[str, str] | None = None, stdin: bytes = b"", timeout_s: float = TIMEOUT_S
) -> Result:
    """Run it to its end without a terminal, in the folder `root`."""
    done = subprocess.run(
        command(*words),
        cwd=root,
        env=environment(root, more),
        input=stdin,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Result(root, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


class LiveRun:
    """`ranklog run` while it runs, at a terminal or, if not `is_terminal`, with one pipe for all that it says.

    A context: what is left of it at the end is killed.
    """

    def __init__(
        self,
        root: Path,
        *words: str,
        more: Mapping[str, str] | None = None,
        is_terminal: bool = True,
        size: tuple[int, int] = (24, 80),
        program: str = "run",
    ) -> None:
        self._root = root
        self._said = b""
        self._lock = threading.Lock()
        if is_terminal:
            self._ours, theirs = os.openpty()
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        else:
            self._ours, theirs = os.pipe()
        self.process = subprocess.Popen(
            command(*words, program=program),
            cwd=root,
            env={**environment(root), "TERM": "xterm", **(more or {})},
            stdin=theirs if is_terminal else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_terminal if is_terminal else None,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def said(self) -> str:
        """All that it has written so far."""
        with self._lock:
            return self._said.decode(errors="replace")

    def wait_for(self, pattern: str, timeout_s: float = PATIENCE_S) -> re.Match[str]:
        """Wait until it has written something that matches."""
        found: list[re.Match[str]] = []

        def is_there() -> bool:
            found.extend(re.finditer(pattern, self.said))
            return bool(found)

        try:
            wait_until(is_there, repr(pattern), timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}, only:\n{self.said}") from None
        return found[0]

    def press(self, keys: bytes) -> None:
        """Press keys at the terminal."""
        os.write(self._ours, keys)

    def send(self, number: int) -> None:
        """Send a signal to `ranklog run` alone."""
        self.process.send_signal(number)

    def end(self, timeout_s: float = TIMEOUT_S) -> Result:
        """Wait for its end."""
        code = self.process.wait(timeout_s)
        self._reader.join(PATIENCE_S)
        return Result(self._root, code, self.said, "")

    def __enter__(self) -> LiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 1 << 16)
            except OSError:  # the other end of a terminal is gone
                return
            if not data:
                return
            with self._lock:
                self._said += data


def _take_terminal() -> None:
    """In the child: make the terminal on stdin the one whose Ctrl-C is meant for us."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def python(source: str) -> Sequence[str]:
    """The words that run a Python program."""
    return [sys.executable, "-c", source]


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
