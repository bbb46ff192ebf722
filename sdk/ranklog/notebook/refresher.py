"""Doing something again and again beside a notebook's cells: it goes on while one of them computes."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable

PERIOD_S = 1.0
SHARE = 9.0
"""It rests for so many times as long as it took: what a cell computes has the processor."""
JOIN_S = 3.0


class Refresher:
    """Calls `look` until that says that there is nothing more to come; then its thread ends.

    The thread is there only while it is needed, and ends with the process at the latest.
    """

    def __init__(self, look: Callable[[], bool], period_s: float = PERIOD_S) -> None:
        self._look = look
        self._period_s = period_s
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_wanted = False
        self._is_stopped = False
        self._called = threading.Event()
        self._looked = threading.Event()

    def wake(self) -> None:
        """Look now, and go on if there is more to come. Returns at once."""
        with self._lock:
            self._is_wanted, self._is_stopped = True, False
            self._called.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._go, name="ranklog-view", daemon=True)
                atexit.register(self.stop)
                self._thread.start()

    def wait_for_look(self, timeout_s: float) -> None:
        """Wait until it has looked once, but not longer than that."""
        self._looked.wait(timeout_s)

    def stop(self) -> None:
        """Look no more. Waits for the look that is under way, if it does not take too long."""
        with self._lock:
            self._is_stopped = True
            self._called.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(JOIN_S)

    @property
    def is_running(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def _go(self) -> None:
        is_over = False
        while not self._has_ended(is_over):
            began_s = time.monotonic()
            is_over = self._look()
            self._looked.set()
            if not is_over:
                self._called.wait(max(self._period_s, SHARE * (time.monotonic() - began_s)))

    def _has_ended(self, is_over: bool) -> bool:
        """Whether that was the last look. Who wakes it after this starts a thread."""
        with self._lock:
            if self._is_stopped or (is_over and not self._is_wanted):
                self._thread = None
                atexit.unregister(self.stop)
                return True
            self._is_wanted = False
            self._called.clear()
            return False
