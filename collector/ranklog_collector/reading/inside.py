"""Opening a file of a run folder that may have come from anywhere: a name or a link in it never leads out of it."""

from __future__ import annotations

import errno
import os
import stat

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a FIFO planted in the folder would hold the reader up for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OutsideError(OSError):
    """The name leads out of the folder, or to something that is no regular file."""


def open_inside(root: str, relative: str) -> int:
    """Open a regular file below `root` for reading and return its descriptor.

    Raises FileNotFoundError if there is none, OutsideError if a part of the name is a link or leads upwards, and other
    OSErrors as they come.
    """
    parts = relative.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise OutsideError(f"{relative!r} is not a name inside the run folder")
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = _open(part, _FOLDER, folder, relative)
            os.close(folder)
            folder = inner
        file = _open(parts[-1], _FILE, folder, relative)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OutsideError(f"{relative!r} is not a regular file")
    return file


def _open(part: str, flags: int, folder: int, relative: str) -> int:
    try:
        return os.open(part, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise OutsideError(f"{relative!r} is no file of its own: links are not followed") from error
        raise
