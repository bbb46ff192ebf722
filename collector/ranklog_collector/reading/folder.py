"""A run folder, finished, copied, or being written at this moment."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ranklog_collector.core import journal
from ranklog_collector.core.layout import INCOMING, JOURNAL
from ranklog_collector.reading import api_streams
from ranklog_collector.reading.inside import open_inside
from ranklog_collector.reading.journal_tail import JournalTail
from ranklog_collector.reading.replay import apply
from ranklog_collector.reading.state import RunState, Stream
from ranklog_collector.store.local import LOCK


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


class NotThereError(ReadingError):
    """There is no such run, file or metric."""


class AmbiguousError(ReadingError):
    """Several are meant by a name that should mean one."""


class QuestionError(ReadingError):
    """It was asked for in a way that cannot be understood."""


class RunFolder:
    """One run, read from its folder alone.

    `state` is what the journal told up to the last `refresh`. A journal that was replaced or cut is read again from
    its start, into a new `state`. With `latest_marks` much of when bytes came is left out, which is quicker to read:
    sizes and the last times are right.
    """

    def __init__(self, path: str, latest_marks: bool = False) -> None:
        self.path = os.path.realpath(path)
        self.state = RunState()
        self._journal = JournalTail(self.path, latest_marks)
        self._generation = 0
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
        """Whether it may grow: a collector holds the folder at this moment, or the run came by REST."""
        return not self.is_owned or is_written(self.path)

    @property
    def is_live(self) -> bool:
        """Whether a collector has the run in its care and it has not ended."""
        return self.is_owned and not self.state.has_ended and self.is_written

    @property
    def is_owned(self) -> bool:
        """Whether the run is, or was, in the care of a collector; else it is what came by REST."""
        return self.state.run is None or self.state.run.origin != journal.API

    @property
    def damage(self) -> str | None:
        """Why not all of the journal can be read; of one that is being written, its collector cares."""
        if self.is_written:
            return None
        if self.state.run is None:
            return "its journal is empty or damaged: it does not say which run it is"
        if self._journal.unreadable_from is not None:
            return (
                f"its journal is damaged at byte {self._journal.unreadable_from}: what it told after that is not known"
            )
        return None

    @property
    def position(self) -> int:
        """How many bytes of the journal `state` stands for."""
        return self._journal.position

    @property
    def started_ns(self) -> int:
        """When the run began, by the collector's clock."""
        return self.state.run.time if self.state.run else 0

    def now_ns(self) -> int:
        """What counts as now: the end of a run that is over or that nobody writes, else the time."""
        if self.state.has_ended:
            return self.state.state_time
        return time.time_ns() - (0 if self.is_written else self.age_ns())

    def age_ns(self) -> int:
        """How long ago the journal last told the time."""
        return max(0, time.time_ns() - max(self.state.heard, self.last_output_ns()))

    def last_output_ns(self) -> int:
        """When any stream's last bytes were seen; 0 if there are none."""
        state = self.state
        return max((stream.timeline.last(state.clock(stream)) or 0 for stream in state.streams.values()), default=0)

    def refresh(self) -> bool:
        """Take in what the journal has grown by, and what came by REST; False if by nothing.

        Raises ReadingError if there is no journal, or none that may be read.
        """
        is_news = False
        try:
            for entries in self._journal.news():
                is_news = True
                self._begin_anew_if_needed()
                self.state.stray += self._journal.damaged
                for entry in entries:
                    apply(self.state, entry)
        except FileNotFoundError as error:
            raise ReadingError(
                f"{self.path} is no run folder: it has no {JOURNAL}; of what a launcher left, or of a copy without it, "
                f"`ranklog import {self.path}` makes one"
            ) from error
        except OSError as error:
            raise ReadingError(f"{self.path} cannot be read: {error.strerror or error} ({JOURNAL})") from error
        is_news = self._begin_anew_if_needed() or is_news
        return api_streams.look(self.state, self.path) or is_news

    def _begin_anew_if_needed(self) -> bool:
        if self._journal.generation == self._generation:
            return False
        self._generation = self._journal.generation
        self.state = RunState(revision=self.state.revision + 1)
        return True

    @contextmanager
    def opened(self, stream: Stream) -> Iterator[int]:
        """Open a stream's file, also while it is being renamed.

        Raises OSError as `open_inside` does.
        """
        file = self._open_first(stream)
        if file is None and self.refresh():
            file = self._open_first(self.state.streams.get(stream.number, stream))
        if file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), stream.path)
        try:
            yield file
        finally:
            os.close(file)

    def _open_first(self, stream: Stream) -> int | None:
        """Open the file where the journal has it, or where it is as long as a renaming is only announced."""
        arriving = [] if stream.snapshot is None else [f"{INCOMING}/{self.state.segments[stream.snapshot].id}"]
        for path in (*arriving, stream.path, *reversed(stream.former_paths)):
            with suppress(FileNotFoundError):
                return open_inside(self.path, path)
        return None
