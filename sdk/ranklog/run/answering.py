"""Answering the agent that asks where this process is, should it not be allowed to look itself (ptrace).

Python's faulthandler writes all stacks into a file of the spool when a signal comes that nobody else uses. Whoever
sends it must know that there is a handler: without one it ends the process. So the file says by its name who it is
and by its first line which signal.
"""

from __future__ import annotations

import faulthandler
import os
import signal

from ranklog import layout
from ranklog.ancestors import parse_stat

SIGNAL = 54
"""A real-time signal: SIGUSR1, SIGUSR2 and the like are the program's and the launcher's."""


def answer_in(folder: str) -> None:
    """Answer in a spool's folder from now on; nothing at all is done if that is not possible."""
    try:
        if not _is_free(SIGNAL):
            return
        layout.prepare(folder, "handlers")
        with open("/proc/self/stat", "rb") as file:
            start_ticks = parse_stat(file.read())[2]
        path = os.path.join(layout.handlers_folder(folder), _name(start_ticks))
        answers = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        faulthandler.register(SIGNAL, answers, all_threads=True, chain=False)
        os.write(answers, b"%d\n" % SIGNAL)
    except (OSError, ValueError, IndexError, RuntimeError, layout.SpoolError):
        return


def _name(start_ticks: int) -> str:
    return layout.handler_name(os.uname().nodename, os.getpid(), start_ticks)


def _is_free(number: int) -> bool:
    """Whether the program has no handler of its own, be it in Python or in C."""
    if signal.getsignal(number) is not signal.SIG_DFL:
        return False
    with open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith((b"SigCgt:", b"SigIgn:", b"SigBlk:")) and int(line.split()[1], 16) >> (number - 1) & 1:
                return False
    return True
