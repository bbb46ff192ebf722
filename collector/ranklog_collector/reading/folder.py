"""A run folder, finished, copied, or being written at this moment."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ranklog_collector.core import journal
from ranklog_collector.core.layout import JOURNAL
from ranklog_collector.reading.inside import open_inside
from ranklog_collector.reading.replay import apply
from ranklog_collector.reading.state import RunState, Stream
from ranklog_collector.store.local import LOCK

BLOCK = 1 << 20
LINE_MAX = 1 << 26


def is_written(path: str) -> bool:
    """Whether a collector holds the run folder at this moment."""
    try:
        file = open_inside(path, LOCK)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False


class ReadingError(Exception):
    """What was asked for cannot be had; the message says what to do."""


class RunFolder:
    """One run, read from its folder alone.

    `state` is what the journal told up to the last `refresh`. A journal that was replaced or cut is read again from
    its start, into a new `state`.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self.state = RunState()
        self._offset = 0
        self._identity = (0, 0)
        self.refresh()

    @property
    def run_id(self) -> str:
        """As the journal has it, else the folder's name."""
        return self.state.run.run_id if self.state.run else os.path.basename(self.path)

    @property
    def experiment(self) -> str:
        """As the journal has it, else the name of the folder around."""
        return self.state.run.experiment if self.state.run else os.path.basename(os.path.dirname(self.path))

    @property
    def is_written(self) -> bool:
        """Whether a collector holds the folder at this moment."""
        return is_written(self.path)

    @property
    def started_ns(self) -> int:
        """When the run began, by the collector's clock."""
        return self.state.run.time if self.state.run else 0

    def now_ns(self) -> int:
        """What counts as now: the end of a run that is over or that nobody writes, else the time."""
        if self.state.has_ended:
            return self.state.state_time
        return time.time_ns() if self.is_written else max(self.state.heard, self.last_output_ns())

    def last_output_ns(self) -> int:
        """When any stream's last bytes were seen; 0 if there are none."""
        state = self.state
        return max((stream.timeline.last(state.clock(stream)) or 0 for stream in state.streams.values()), default=0)

    def refresh(self) -> bool:
        """Take in what the journal has grown by; False if by nothing.

        Raises ReadingError if there is no journal.
        """
        try:
            file = open_inside(self.path, JOURNAL)
        except OSError as error:
            raise ReadingError(
                f"{self.path} is no run folder: {JOURNAL} cannot be read ({error.strerror or error})"
            ) from error
        try:
            status = os.fstat(file)
            identity = (status.st_dev, status.st_ino)
            if identity != self._identity or status.st_size < self._offset:
                self.state, self._offset, self._identity = RunState(), 0, identity
            return self._read_on(file)
        finally:
            os.close(file)

    def _read_on(self, file: int) -> bool:
        before, size = self._offset, BLOCK
        while size <= LINE_MAX:
            data = os.pread(file, size, self._offset)
            entries, intact = journal.read(data)
            for entry in entries:
                apply(self.state, entry)
            self._offset += intact
            if len(data) < size:
                break
            if not intact:
                size *= 2
        return self._offset > before

    @contextmanager
    def opened(self, stream: Stream) -> Iterator[int]:
        """Open a stream's file; if it has been renamed meanwhile, under its new name.

        Raises OSError as `open_inside` does.
        """
        try:
            file = open_inside(self.path, stream.path)
        except FileNotFoundError:
            if not self.refresh() or stream.number not in self.state.streams:
                raise
            file = open_inside(self.path, self.state.streams[stream.number].path)
        try:
            yield file
        finally:
            os.close(file)
