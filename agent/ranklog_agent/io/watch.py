"""Hints that files have changed, from inotify; where those are not to be had, the agent's scans alone find out.

Hints only make things faster: a scan that comes round by itself finds everything that they missed.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import os
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from watchdog import events
from watchdog.events import (
    DirCreatedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
)
from watchdog.observers.api import EventQueue, ObservedWatch
from watchdog.observers.inotify import InotifyEmitter

EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    # A file that may be read now; before watchdog 7 this counts as modified.
    getattr(events, "FileAttribEvent", FileModifiedEvent),
]
REMOTE = frozenset(
    ["nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "9p", "afs", "glusterfs", "orangefs", "pvfs2"]
)
"""File systems whose changes by other hosts raise no events here; anything on FUSE counts too."""
MOVE_GROUPERS = [
    ("watchdog.observers.inotify_move_event_grouper", "InotifyMoveEventGrouper"),
    ("watchdog.observers.inotify_buffer", "InotifyBuffer"),  # before watchdog 7
]
THROUGH_LINK = "/./"
"""Ends the path of a watched folder that is a link: watchdog would watch the link, not what it leads to."""


def _hold_nothing_back() -> None:
    """Have watchdog pass every event on at once.

    It waits for half a second whether a file that left a folder appears in another one that is watched, and holds back
    all events behind it: time enough for whole generations of a log to come and go. To us a file that left is gone, and
    one that came is new.
    """
    warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)  # of a folder that was made a moment ago
    for module, name in MOVE_GROUPERS:
        with contextlib.suppress(ImportError):
            getattr(importlib.import_module(module), name).delay = 0.0


class Hints(EventQueue):
    """Collects the paths of which something was heard, until they are taken.

    It is the queue into which watchdog's emitters put their events; a dispatcher would only be one more thread to wake
    for every line that is logged. `born` is called at once, in an emitter's thread, for each file that was made: some
    live for milliseconds only.
    """

    def __init__(self, born: Callable[[str], None], wake: Callable[[], None]) -> None:
        super().__init__()
        self._born = born
        self._wake = wake
        self._lock = threading.Lock()
        self._paths: dict[str, None] = {}

    def take(self) -> list[str]:
        """The paths heard of since the last call, in order: a file's first name comes before its later ones."""
        with self._lock:
            paths, self._paths = self._paths, {}
        return list(paths)

    def put(
        self, item: tuple[FileSystemEvent, ObservedWatch], block: bool = True, timeout: float | None = None
    ) -> None:
        """Note an event's paths."""
        event, _ = item
        found = [os.fsdecode(path).replace(THROUGH_LINK, "/", 1) for path in (event.src_path, event.dest_path) if path]
        if isinstance(event, (FileCreatedEvent, FileMovedEvent)):
            for path in found:
                self._born(path)
        with self._lock:
            was_empty = not self._paths
            self._paths |= dict.fromkeys(found)
        if was_empty:
            self._wake()


@dataclass(frozen=True, slots=True)
class _Watched:
    folder: tuple[int, int]
    """Device and inode: a folder that was replaced must be watched anew."""
    emitter: InotifyEmitter


class Watcher(logging.Handler):
    """Watches folders; `add` may be called again for one that has come into being or was not watchable.

    It is a handler of watchdog's log, where that tells of events that are lost.
    """

    def __init__(self, hints: Hints) -> None:
        super().__init__(logging.WARNING)
        _hold_nothing_back()
        self._hints = hints
        self._is_in_doubt = False
        self._watched: dict[str, _Watched] = {}
        self._log = logging.getLogger("watchdog")
        self._log.addHandler(self)
        self._log.propagate = False

    def emit(self, _: logging.LogRecord) -> None:
        """Take watchdog's complaint for what it means."""
        self._is_in_doubt = True

    def take_doubt(self) -> bool:
        """Whether, since the last call, there was something that no event told of: a scan will tell."""
        was_in_doubt, self._is_in_doubt = self._is_in_doubt, False
        return was_in_doubt

    def add(self, folder: str, recursive: bool) -> str | None:
        """Watch a folder; returns why it must be scanned instead, or None if events will come."""
        try:
            info = os.stat(folder)
        except OSError:
            self._drop(folder)
            return "it does not exist yet"
        watched = self._watched.get(folder)
        if watched is not None:
            if watched.folder == (info.st_dev, info.st_ino) and watched.emitter.is_alive():
                return None
            self._drop(folder)
        kind = file_system(folder)
        if kind in REMOTE or kind.startswith("fuse"):
            return f"it is on {kind}"
        path = folder.rstrip("/") + THROUGH_LINK[:-1] if os.path.islink(folder) else folder
        try:
            emitter = InotifyEmitter(self._hints, ObservedWatch(path, recursive=recursive), event_filter=EVENTS)
            emitter.start()
        except OSError as error:
            return _why_not(error)
        self._watched[folder] = _Watched((info.st_dev, info.st_ino), emitter)
        self._is_in_doubt = True
        return None

    def close(self) -> None:
        """Stop the watcher's threads."""
        for folder in list(self._watched):
            self._drop(folder)
        self._log.removeHandler(self)
        super().close()

    def _drop(self, folder: str) -> None:
        watched = self._watched.pop(folder, None)
        if watched is not None:
            watched.emitter.stop()
            watched.emitter.join()


def _why_not(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the system's limit of file watches is reached (fs.inotify.max_user_watches)"
    if error.errno == errno.EMFILE:
        return "the system's limit of file watchers is reached (fs.inotify.max_user_instances)"
    return os.strerror(error.errno or errno.EIO)


def file_system(path: str) -> str:
    """The type of the file system that holds a path, as /proc/self/mountinfo names it; empty if that cannot be read."""
    path = os.path.realpath(path)
    best, kind = "", ""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields, _, rest = line.partition(" - ")
                mount = fields.split()[4].encode().decode("unicode_escape")
                inside = path == mount or path.startswith(mount.rstrip("/") + "/")
                if inside and len(mount) >= len(best):
                    best, kind = mount, rest.split()[0]
    except OSError:
        return ""
    return kind
