"""Run folders as REST writes them: made, appended to, and told how the run is. One write for each request."""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

from ranklog.mlflow_api.errors import UNAVAILABLE, MlflowError
from ranklog.mlflow_api.statuses import STATES
from ranklog_collector.core import journal
from ranklog_collector.core.layout import API_FILE, JOURNAL

_OPEN_MAX = 256
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _File:
    descriptor: int
    size: int


class Folders:
    """The run folders below `root`. Paths are relative to it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._open: OrderedDict[str, _File] = OrderedDict()

    def close(self) -> None:
        """Close all files."""
        while self._open:
            os.close(self._open.popitem()[1].descriptor)

    def make_run(self, folder: str, run_id: str, start_ns: int, content: bytes) -> str:
        """Make a run folder; it is one when its journal is there. Tells what it has grown to. Raises MlflowError."""
        path = os.path.join(self.root, folder)
        begin = journal.Run(1, run_id, os.path.basename(os.path.dirname(folder)), start_ns, journal.API)
        try:
            os.makedirs(os.path.dirname(os.path.join(path, JOURNAL)))
            self.append(folder, content)
            fresh = os.path.join(path, f"{JOURNAL}.new")
            with open(fresh, "xb") as file:
                file.write(journal.dump(begin))
            os.rename(fresh, os.path.join(path, JOURNAL))
        except OSError as error:
            raise _unavailable(folder, error) from error
        return growth(path)

    def append(self, folder: str, content: bytes) -> int:
        """Add lines to what came by REST: all of them, or none. Tells the size. Raises MlflowError."""
        try:
            file = self._open.get(folder) or self._opened(folder)
            written = os.write(file.descriptor, content)
            if written < len(content):
                os.ftruncate(file.descriptor, file.size)
                raise MlflowError(UNAVAILABLE, "the disk of the run folders is full")
            file.size += written
        except OSError as error:
            raise _unavailable(folder, error) from error
        return file.size

    def tell_state(self, folder: str, status: str, time_ns: int) -> None:
        """Let the journal of a run that came by REST say how it is. Raises MlflowError."""
        entry = journal.dump(journal.State(STATES[status], time_ns))
        try:
            file = os.open(os.path.join(self.root, folder, JOURNAL), _FLAGS)
            try:
                os.write(file, entry)
            finally:
                os.close(file)
        except OSError as error:
            raise _unavailable(folder, error) from error

    def let_go(self, folder: str) -> None:
        """Close a run's file, if it is open."""
        file = self._open.pop(folder, None)
        if file is not None:
            os.close(file.descriptor)

    def _opened(self, folder: str) -> _File:
        path = os.path.join(self.root, folder, API_FILE)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, _FLAGS, 0o644)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            # An earlier process was killed while it wrote; nobody was told that this line is there.
            size += os.write(descriptor, b"\n")
        file = self._open[folder] = _File(descriptor, size)
        if len(self._open) > _OPEN_MAX:
            os.close(self._open.popitem(last=False)[1].descriptor)
        return file


def growth(path: str) -> str:
    """How far a run folder has grown, as a text: another one if there is more, or less, to be read."""
    sizes = []
    for name in (JOURNAL, API_FILE):
        size = 0
        with suppress(OSError):
            size = os.stat(os.path.join(path, name)).st_size
        sizes.append(str(size))
    return ":".join(sizes)


def rest_part(growth: str) -> str:
    """Of a growth what is about REST."""
    return growth.partition(":")[2]


def _unavailable(folder: str, error: OSError) -> MlflowError:
    return MlflowError(UNAVAILABLE, f"run folder {folder} cannot be written: {error.strerror or error}")
