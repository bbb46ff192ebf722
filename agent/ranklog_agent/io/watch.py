"""Hints that files have changed, from inotify; where those are not to be had, the agent's scans alone find out.

Hints only make things faster: a scan that comes round by itself finds everything that they missed.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable

from watchdog.events import (
    DirCreatedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

EVENTS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
REMOTE = frozenset(
    ["nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "9p", "afs", "glusterfs", "orangefs", "pvfs2"]
)
"""File systems whose changes by other hosts raise no events here; anything on FUSE counts too."""


class Hints(FileSystemEventHandler):
    """Collects the paths of which something was heard, until they are taken.

    `born` is called at once, in the watcher's thread, for each file that was made: some live for milliseconds only.
    """

    def __init__(self, born: Callable[[str], None], wake: Callable[[], None]) -> None:
        self._born = born
        self._wake = wake
        self._lock = threading.Lock()
        self._paths: set[str] = set()

    def take(self) -> set[str]:
        """The paths heard of since the last call."""
        with self._lock:
            paths, self._paths = self._paths, set()
        return paths

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note an event's paths."""
        if event.is_directory:
            paths = {os.fsdecode(event.src_path)} if isinstance(event, DirCreatedEvent) else set()
        else:
            paths = {os.fsdecode(path) for path in (event.src_path, event.dest_path) if path}
            if isinstance(event, (FileCreatedEvent, FileMovedEvent)):
                for path in paths:
                    self._born(path)
        with self._lock:
            was_empty = not self._paths
            self._paths |= paths
        if was_empty and paths:
            self._wake()


class Watcher:
    """Watches folders; `add` may be called again for one that has come into being or was not watchable."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints
        self._observer = Observer()
        self._watched: set[str] = set()
        self._observer.start()

    def add(self, folder: str, recursive: bool) -> str | None:
        """Watch a folder; returns why it must be scanned instead, or None if events will come."""
        if folder in self._watched:
            return None
        if not os.path.isdir(folder):
            return "it does not exist yet"
        kind = file_system(folder)
        if kind in REMOTE or kind.startswith("fuse"):
            return f"it is on {kind}"
        try:
            self._observer.schedule(self._hints, folder, recursive=recursive, event_filter=EVENTS)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                return "the system's limit of file watches is reached (fs.inotify.max_user_watches)"
            if error.errno == errno.EMFILE:
                return "the system's limit of file watchers is reached (fs.inotify.max_user_instances)"
            return os.strerror(error.errno or errno.EIO)
        self._watched.add(folder)
        return None

    def is_watched(self, folder: str) -> bool:
        """Whether events come from this folder."""
        return folder in self._watched

    def close(self) -> None:
        """Stop the watcher's threads."""
        self._observer.stop()
        self._observer.join()


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
