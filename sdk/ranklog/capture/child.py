"""The command: its start, its signals, its end."""

import os

from ranklog.capture.lean import signal
from ranklog.capture.prctl import SET_DUMPABLE, SET_PDEATHSIG, prctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    import resource
    from collections.abc import Callable
    from typing import NoReturn

    from ranklog.capture.inbox import Dispositions

NOT_EXECUTABLE = 126
NOT_FOUND = 127
SHELL = "/bin/sh"
ENOENT, ENOEXEC, ENOTDIR = 2, 8, 20


class Child:
    """A forked process that waits to become the command.

    Its record must be there before it starts, and needs its pid: so it starts when it is released.
    """

    def __init__(self, become: "Callable[[], NoReturn]") -> None:
        waiting, self._release = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        self.status: int | None = None
        """Wait status, once it has ended."""
        self.usage: resource.struct_rusage | None = None
        self.is_stopped = False
        self.heed_other: Callable[[int, int], None] | None = None
        """Is told the pid and the wait status of any other child that ends."""
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._release)
            _wait_and(become, waiting, parent)
        os.close(waiting)

    def release(self) -> None:
        """Let it become the command."""
        os.write(self._release, b"!")
        os.close(self._release)

    def abandon(self) -> None:
        """End it before it was released."""
        os.close(self._release)
        os.waitpid(self.pid, 0)

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.status is None:
            os.kill(self.pid, number)

    def reap(self) -> None:
        """Note its stops and its end. All who end are buried: the first process of a container inherits orphans."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.is_stopped = os.WIFSTOPPED(status)
                if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                    self.status, self.usage = status, usage
            elif self.heed_other is not None and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
                self.heed_other(pid, status)


def _wait_and(become: "Callable[[], NoReturn]", waiting: int, parent: int) -> "NoReturn":
    try:
        if os.read(waiting, 1):
            prctl(SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                become()
    finally:
        os._exit(NOT_EXECUTABLE)


def become(
    command: tuple[str, ...], environ: dict[str, str], outputs: tuple[int, int] | None, dispositions: "Dispositions"
) -> "NoReturn":
    """Replace this process by the command, or end it as a shell would, with a message."""
    if outputs is not None:
        os.dup2(outputs[0], 1)
        os.dup2(outputs[1], 2)
    dispositions.restore()
    error = _execute(command, environ)
    is_missing = error.errno in (ENOENT, ENOTDIR)
    os.write(2, os.fsencode(f"ranklog exec: {command[0]}: {'command not found' if is_missing else error.strerror}\n"))
    os._exit(NOT_FOUND if is_missing else NOT_EXECUTABLE)


def _execute(command: tuple[str, ...], environ: dict[str, str]) -> OSError:
    """Look for the command as a shell does, and start it. Returns only if that fails."""
    name = command[0]
    folders = [""] if "/" in name else environ.get("PATH", os.defpath).split(":")
    failure = OSError(ENOENT, "not found")
    for path in (os.path.join(folder, name) for folder in folders if name):
        try:
            os.execve(path, command, environ)
        except OSError as error:
            if error.errno == ENOEXEC:  # a script that does not say what it is for
                os.execve(SHELL, [SHELL, path, *command[1:]], environ)
            if error.errno not in (ENOENT, ENOTDIR) or "/" in name:
                failure = error
    return failure


def leave(status: int) -> "NoReturn":
    """End as the child did: with its exit code, or by its signal."""
    if os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    prctl(SET_DUMPABLE, 0)  # one core file is enough
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # the first process of a container cannot kill itself
