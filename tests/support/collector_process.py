"""A real collector process for tests to stop, kill and start again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class CollectorProcess:
    """`ranklog collector` on a port that stays the same over its lives."""

    def __init__(self, folder: Path, root: Path | None = None, *options: str) -> None:
        self.root = root or folder / "runs"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.address = "127.0.0.1:0"
        self.log = folder / "collector.log"

    def start(self) -> None:
        port_file = self._folder / "port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "ranklog", "collector", "--root", str(self.root), "--grpc", self.address]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port-file", str(port_file), *self._options], stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 20
        while not port_file.exists():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)
        self.address = f"127.0.0.1:{port_file.read_text().strip()}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for it to end; returns the exit code."""
        assert self._process is not None
        code = self._process.wait(30)
        self._process = None
        return code

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        os.kill(self._process.pid, number)
        return self.wait()
