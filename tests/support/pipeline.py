"""A real collector and a real agent on this machine, to be stopped, killed and started again in the middle of things.

What a test writes below `sources` ends up in the run folder; the oracle is always the same: the collected bytes are the
written bytes, each once, in their order, and the journal vouches for all of them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from ranklog_collector.core import journal
from ranklog_collector.core.layout import JOURNAL
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.state import RunState, Stream
from ranklog_collector.reading.verify import Report, verify
from tests.support.collector_process import CollectorProcess

PATIENCE_S = 30.0
POLL_S = 0.02


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Poll until a condition holds; `what` says what was waited for."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(POLL_S)


def free_address() -> str:
    """An address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class AgentProcess:
    """`ranklog agent` with fixed arguments, over any number of lives. All of them write to one log."""

    def __init__(
        self,
        log: Path,
        arguments: Sequence[str | bytes],
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.log = log
        self._command = [*prefix, sys.executable, "-m", "ranklog", "agent", *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin a life."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )

    @property
    def pid(self) -> int:
        """Of the present life."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def words(self) -> str:
        """What it has said on stderr in all its lives."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, if it lives."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, timeout_s: float = 90.0) -> int:
        """SIGTERM: deliver the rest and end. Returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 90.0) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        code = self._process.wait(timeout_s)
        self._process = None
        return code


class Pipeline:
    """One agent that watches `sources`, one collector, one run; none of them outlives the `with` block."""

    def __init__(
        self, folder: Path, *agent_options: str, root: Path | None = None, collector_options: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.sources = folder / "src"
        self.sources.mkdir(parents=True, exist_ok=True)
        self.collector = CollectorProcess(folder, root, *collector_options)
        self.collector.address = free_address()
        self.agent = self.new_agent(*(agent_options or ("--watch", f"{self.sources}/**")))
        self._agents = [self.agent]

    def new_agent(
        self,
        *options: str | bytes,
        spool: str = "spool",
        collector: str | None = None,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> AgentProcess:
        """Another agent for the same run, by default on the same node. The caller starts it."""
        where = ["--collector", collector or self.collector.address, "--run", "r1", "--spool", str(self.folder / spool)]
        log = self.folder / "agent.log"
        agent = AgentProcess(log, [*where, "--stay", *options], environment, prefix)
        self._agents = [*getattr(self, "_agents", []), agent]
        return agent

    def __enter__(self) -> Pipeline:
        try:
            self.collector.start()
            self.agent.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if error is not None:
            print(f"---- agent\n{self.agent.words}---- collector\n{self.collector.log.read_text()}")

    def kill(self) -> None:
        """End everything at once."""
        for agent in self._agents:
            agent.kill()
        self.collector.kill()

    def finish(self) -> Report:
        """Let the agent deliver the rest and end, then the collector; returns the proof of what the folder holds."""
        assert self.agent.stop() == 0, self.agent.words
        assert self.collector.stop() == 0, self.collector.log.read_text()
        return self.verified()

    # ---- what has come ----------------------------------------------------------------------------------------------

    @property
    def run_folder(self) -> Path:
        """The run's folder."""
        return self.collector.root / "default" / "r1"

    @property
    def state(self) -> RunState:
        """What the journal tells now."""
        try:
            return RunFolder(str(self.run_folder)).state
        except ReadingError:
            return RunState()

    @property
    def journal(self) -> list[journal.Entry]:
        """All entries of the run's journal."""
        return journal.read((self.run_folder / JOURNAL).read_bytes())[0]

    def streams_of(self, source: Path | bytes) -> list[Stream]:
        """The streams that hold bytes of a path, which is named as on the wire."""
        name = os.fsencode(source).decode(errors="backslashreplace")
        state = self.state
        numbers = {segment.stream for segment in state.segments.values() if segment.source == name}
        return [state.streams[number] for number in sorted(numbers)]

    def collected(self, source: Path | bytes) -> bytes | None:
        """All that was collected of a path, None if nothing was."""
        streams = self.streams_of(source)
        if not streams:
            return None
        assert len(streams) == 1, f"{source!r} went into several files: {streams}"
        path = self.run_folder / streams[0].path
        return path.read_bytes() if path.exists() else None

    def gaps(self, source: Path) -> list[str]:
        """The reasons of the gaps that are recorded for a path."""
        segments = self.state.segments.values()
        return [gap.reason for segment in segments if segment.source == str(source) for gap in segment.gaps]

    def await_bytes(self, source: Path | bytes, expected: bytes, timeout_s: float = PATIENCE_S) -> None:
        """Wait until exactly these bytes were collected of a path."""
        deadline = time.monotonic() + timeout_s
        while (found := self.collected(source)) != expected:
            assert time.monotonic() < deadline, f"{source!r}: {_difference(found, expected)}"
            time.sleep(POLL_S)

    def await_files(self, *sources: Path, timeout_s: float = PATIENCE_S) -> None:
        """Wait until paths were collected as they are now."""
        for source in sources:
            self.await_bytes(source, source.read_bytes(), timeout_s)

    def await_agent(self) -> None:
        """Wait until a new file makes its way, so that the agent surely watches."""
        probe = self.sources / f"probe-{time.monotonic_ns()}"
        probe.write_bytes(b"probe\n")
        self.await_files(probe)

    def verified(self) -> Report:
        """The proof; it must not have found damage."""
        report = verify(RunFolder(str(self.run_folder)))
        damage = [f"{check.path}: {check.problem}" for check in report.checks if check.problem]
        assert not damage, damage
        return report


def _difference(found: bytes | None, expected: bytes) -> str:
    if found is None:
        return f"nothing was collected, {len(expected)} bytes were expected"
    at = next(
        (i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), min(len(found), len(expected))
    )
    near = slice(max(0, at - 40), at + 40)
    return (
        f"{len(found)} bytes instead of {len(expected)}, first difference at {at}: {found[near]!r} / {expected[near]!r}"
    )
