"""The one system call that Python lacks."""

import ctypes

SET_PDEATHSIG = 1
SET_DUMPABLE = 4
SET_NAME = 15


def prctl(option: int, value: int | bytes) -> None:
    """Set an attribute of the calling process (prctl(2))."""
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
