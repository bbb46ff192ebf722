"""Finds the event files of a job: in the usual places below its working folders, and among what its processes write."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from ranklog_agent.core.event_files import FOLDERS, OUTPUT_FOLDERS, is_event_file
from ranklog_agent.io.discovery import DEPTH_MAX

RUN_FOLDER = ".ranklog"
"""A folder that has this is a run folder: what is mirrored there is not mirrored again."""
NEIGHBOURS_MAX = 1000
"""So many files and folders of a working folder are looked at."""
SLACK_NS = 1_000_000_000
"""Clocks of file systems lag, and the resolution of some is a second."""


def in_usual_places(working_folders: Mapping[str, int]) -> Iterator[str]:
    """Event files below working folders that were changed since somebody began to work there, in ns since 1970."""
    for folder, since_ns in working_folders.items():
        for place in _places(folder):
            for entry in _files(place, DEPTH_MAX):
                with contextlib.suppress(OSError):
                    if entry.stat().st_mtime_ns >= since_ns - SLACK_NS:
                        yield entry.path


def _places(folder: str) -> Iterator[str]:
    for name in FOLDERS:
        yield os.path.join(folder, name)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in islice(entries, NEIGHBOURS_MAX):
            if entry.name not in FOLDERS and entry.name[0] != "." and entry.is_dir(follow_symlinks=False):
                for name in OUTPUT_FOLDERS:
                    yield os.path.join(entry.path, name)


def held_open(pids: Iterable[int]) -> Iterator[str]:
    """Event files that processes have open for writing, wherever they are."""
    for pid in pids:
        with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    path = os.readlink(entry.path)
                    # The link's own permission bits say how the file was opened.
                    if is_event_file(path) and entry.stat(follow_symlinks=False).st_mode & 0o200:
                        yield path


def _files(folder: str, depth: int) -> Iterator[os.DirEntry[str]]:
    """Event files below a folder that is no run folder; links are not followed."""
    try:
        with os.scandir(folder) as scanned:
            entries = list(scanned)
    except OSError:
        return
    if any(entry.name == RUN_FOLDER for entry in entries):
        return
    for entry in entries:
        with contextlib.suppress(OSError):
            if is_event_file(entry.path) and entry.is_file(follow_symlinks=False):
                yield entry
            elif depth and entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, depth - 1)
