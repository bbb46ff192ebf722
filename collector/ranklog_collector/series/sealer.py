"""The sealing process: seals the runs that it is told, a folder a line of its standard input, until that ends.

It reads run folders as any reader does, so that it takes nothing from whoever collects but the time of a core.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections import OrderedDict

import orjson

from ranklog_collector.core.backlog import LAST_BYTES, SEAL_BYTES
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series.seal import BusyError, seal

NICENESS = 10
"""Readers and whoever collects come first."""
FOLDERS_MAX = 64
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Seal until standard input ends; the argument is the process that we belong to."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        return
    os.nice(NICENESS)
    folders: OrderedDict[str, RunFolder] = OrderedDict()
    while line := sys.stdin.buffer.readline():
        path = orjson.loads(line)
        try:
            _seal(folders, path)
        except (BusyError, ReadingError) as error:
            folders.pop(path, None)
            print(error, file=sys.stderr, flush=True)


def _seal(folders: OrderedDict[str, RunFolder], path: str) -> None:
    folder = folders.get(path)
    if folder is None:
        folder = folders[path] = RunFolder(path, latest_marks=True)
    folder.refresh()
    has_ended = folder.state.has_ended
    seal(folder, LAST_BYTES if has_ended else SEAL_BYTES, is_last=has_ended)
    folders.move_to_end(path)
    if has_ended or len(folders) > FOLDERS_MAX:
        folders.popitem(last=has_ended)
