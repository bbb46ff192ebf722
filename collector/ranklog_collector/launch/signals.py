"""Signals to this process, as calls on the event loop which also tell whether a terminal sent them.

The terminal's Ctrl-C reaches the job without us, and must not be passed on; `kill` reaches only us, and must be. Only
siginfo tells the one from the other. So signals are blocked, and a thread waits for them.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable
from types import TracebackType

LOOK_AGAIN_S = 1.0
"""How often children are asked for without a signal: one that a library's thread was given is lost."""
SENT_BY_KERNEL = 0x80
"""SI_KERNEL: what a terminal's keys cause has it, what `kill` sends has not."""


class Signals:
    """Signals that are waited for, within a `with` block. Enter it before any other thread is started.

    `on_signal(number, is_from_terminal)` and `on_child`, when a child process has ended, are called on the event loop.
    A signal that was ignored stays so.
    """

    def __init__(self, numbers: Iterable[int], on_signal: Callable[[int, bool], None], on_child: Callable[[], None]):
        self._numbers = {number for number in numbers if signal.getsignal(number) != signal.SIG_IGN}
        self._on_signal = on_signal
        self._on_child = on_child
        self._is_ending = False
        self.former_mask: set[int] = set()
        """What was blocked before: that is for children to inherit."""

    def __enter__(self) -> Signals:
        """Block the signals and wait for them."""
        self._loop = asyncio.get_running_loop()
        self.former_mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers | {signal.SIGCHLD}))
        self._thread = threading.Thread(target=self._wait, name="signals", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait no longer, and unblock them."""
        self._is_ending = True
        signal.pthread_kill(self._thread.ident or 0, signal.SIGCHLD)
        self._thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, self.former_mask)

    def _wait(self) -> None:
        while True:
            info = signal.sigtimedwait(self._numbers | {signal.SIGCHLD}, LOOK_AGAIN_S)
            if self._is_ending:
                return
            if info is None or info.si_signo == signal.SIGCHLD:
                self._loop.call_soon_threadsafe(self._on_child)
            else:
                self._loop.call_soon_threadsafe(self._on_signal, info.si_signo, info.si_code == SENT_BY_KERNEL)
