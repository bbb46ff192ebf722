"""The one system call that Python lacks. To import all of ctypes would cost every rank another millisecond."""

import _ctypes

SET_PDEATHSIG = 1
SET_DUMPABLE = 4
SET_NAME = 15


def prctl(option: int, value: int | bytes) -> None:
    """Set an attribute of the calling process (prctl(2))."""
    library = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None is what is loaded already
    _ctypes.call_function(_ctypes.dlsym(library, "prctl"), (option, value, 0, 0, 0))
