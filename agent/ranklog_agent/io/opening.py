"""Opening files for reading that others have made, and may have made to mislead."""

from __future__ import annotations

import os
import stat


def open_regular(path: str) -> int | None:
    """Open a regular file for reading; None if the path names something else. Raises OSError.

    Nothing else is opened even for a moment: a pipe's writer would be let go to write to nobody, a device might act.
    """
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return None
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(found)
