"""The signals that `ranklog exec` itself gets."""

import os

from ranklog.capture.lean import signal

UNTOUCHED = frozenset(
    {signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
    | {signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTTOU}
)
"""Signals that cannot be caught, that a fault of our own causes, or that writing to a file or a terminal may cause."""
BLOCKED = frozenset({signal.SIGTTOU})
"""Else writing to a terminal from the background would stop us, and with us whoever waits for room in the pty."""


class Dispositions:
    """What happens to signals when `ranklog exec` starts, so that the child can be given the same."""

    def __init__(self) -> None:
        self.ignored = frozenset(
            number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN
        )
        # From here on signals wait, until there is a child to pass them on to.
        self.mask = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())

    def restore(self) -> None:
        """In the child: make everything as it was."""
        # Python ignores these two for itself; a program expects what a shell would give it.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)


class Inbox:
    """Collects the numbers of signals; its descriptor is readable when there are some."""

    def __init__(self, dispositions: Dispositions) -> None:
        self._reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in signal.valid_signals() - UNTOUCHED:
            if number == signal.SIGCHLD or number not in dispositions.ignored:
                signal.signal(number, _note)
        signal.pthread_sigmask(signal.SIG_SETMASK, BLOCKED)

    def fileno(self) -> int:
        """A descriptor that is readable when a signal has come."""
        return self._reading

    def take(self) -> bytes:
        """The numbers of the signals that have come."""
        try:
            return os.read(self._reading, 4096)
        except BlockingIOError:
            return b""

    def stop(self) -> None:
        """Stop this process as SIGTSTP would have; returns when it is continued."""
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, _note)


def _note(number: int, frame: object) -> None:
    """Nothing to do here: the interpreter has written the number to the pipe."""
