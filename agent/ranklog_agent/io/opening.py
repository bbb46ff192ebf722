"""Opening files for reading that others have made, and may have made to mislead."""

from __future__ import annotations

import os
import stat

FLAGS = os.O_PATH | os.O_CLOEXEC


def open_regular(path: str, confined: str = "") -> int | None:
    """Open a regular file for reading; None if the path names something else. Raises OSError.

    Nothing else is opened even for a moment: a pipe's writer would be let go to write to nobody, a device might act.
    Below the folder `confined`, if one is given and the path leads there, no link is followed.
    """
    found = _reach(path, confined)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return None
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(found)


def _reach(path: str, confined: str) -> int:
    below = path[len(confined) + 1 :].split("/") if confined and path.startswith(confined + "/") else []
    reached = os.open(confined if below else path, FLAGS)
    for depth, part in enumerate(below, 1):
        folder = reached
        kind = os.O_DIRECTORY if depth < len(below) else 0
        try:
            reached = os.open(part, FLAGS | os.O_NOFOLLOW | kind, dir_fd=folder)
        finally:
            os.close(folder)
    return reached
