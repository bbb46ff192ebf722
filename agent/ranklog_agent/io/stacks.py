"""Looks at the stacks of a process on this node, by whatever is allowed: py-spy, faulthandler, gdb, /proc.

Whatever is started to look has a deadline, and a process that was stopped for the look goes on when the one who looks
is gone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from ranklog import layout
from ranklog_agent.core.stacks import Result, Thread, from_faulthandler, from_gdb, from_kernel, from_py_spy
from ranklog_agent.io import procfs
from ranklog_agent.io.syscalls import NAMES

GRACE_S = 1.0
"""How long a tool has to let go of the process when its time is over."""
ANSWER_S = 2.0
"""How long faulthandler may take."""
QUIET_S = 0.05
"""It has written all when its file has not grown for so long."""
ANSWER_BYTES_MAX = 16 << 20
THREADS_MAX = 256
PYTHONS = ("python", "pypy")
LIBRARY = b"/libpython"
WRAPPERS = frozenset(("sh", "bash", "dash", "zsh", "ash", "env", "nice", "timeout", "numactl", "taskset", "time"))
"""What stands around a program and waits for it."""
HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Python processes that belong to Python itself."""
DENIED = ("permission denied", "operation not permitted", "eperm", "elevated permissions")


@dataclass(frozen=True, slots=True)
class Manner:
    """How to look."""

    is_native: bool
    """Also at the native frames of Python programs, and with a debugger at programs that are none."""
    is_gentle: bool
    """Without stopping the process for a moment, and without a signal."""
    timeout_s: float


def look(pid: int, manner: Manner, handlers: str) -> Result:
    """Look at a process; `handlers` is the folder in which processes say that faulthandler answers to a signal."""
    if is_python(pid):
        found = _by_py_spy(pid, manner)
        if not found.threads and not manner.is_gentle:
            found = _by_faulthandler(pid, handlers).but(found.error)
    elif manner.is_native and not manner.is_gentle:
        found = _by_gdb(pid, manner)
    else:
        found = Result()
    if found.threads:
        return found
    if procfs.start_ticks(pid) is None:
        return Result(error="it has ended meanwhile")
    return _by_kernel(pid).but(found.error)


def is_python(pid: int) -> bool:
    """Whether a process runs Python, as far as may be seen."""
    with suppress(OSError):
        if os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith(PYTHONS):
            return True
        with open(f"/proc/{pid}/maps", "rb") as file:
            return LIBRARY in file.read()
    return os.path.basename(next(iter(procfs.command(pid)), "")).startswith(PYTHONS)


def is_wrapper(pid: int) -> bool:
    """Whether a process only waits for the one that it has started."""
    return _read(f"/proc/{pid}/comm").strip() in WRAPPERS


def is_helper(pid: int) -> bool:
    """Whether a process belongs to Python itself."""
    return any(helper in word for word in procfs.command(pid)[:4] for helper in HELPERS)


def state(pid: int) -> str:
    """The letter that ps shows; empty if the process is gone."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].strip()[:1]


# ---- py-spy ---------------------------------------------------------------------------------------------------------


def _by_py_spy(pid: int, manner: Manner) -> Result:
    program = _program("py-spy")
    if program is None:
        return Result(error="py-spy is not installed beside the agent")
    options = ["--native"] if manner.is_native else []
    options += ["--nonblocking"] if manner.is_gentle else []
    code, output, errors = _run([program, "dump", "--json", *options, "--pid", str(pid)], manner.timeout_s)
    if code is None:
        return Result(error=f"py-spy took longer than {manner.timeout_s:g} s")
    try:
        threads = from_py_spy(output, pid) if code == 0 else ()
    except ValueError as error:
        return Result(error=f"py-spy: {error}")
    if threads:
        return Result("py-spy", threads)
    if any(word in errors.lower() for word in DENIED):
        return Result(error="py-spy may not look into it: ptrace is not permitted (docs/how-to/hangs.md)")
    said = f"py-spy: {errors.strip().partition(chr(10))[0].removeprefix('Error: ') or 'no answer'}"
    if manner.is_native:  # which it cannot do of every program
        return _by_py_spy(pid, replace(manner, is_native=False)).but(said)
    return Result(error=said)


# ---- faulthandler ---------------------------------------------------------------------------------------------------


def _by_faulthandler(pid: int, handlers: str) -> Result:
    """Have Python itself write its stacks, if the process has said by which signal; without a handler it would die."""
    ticks = procfs.start_ticks(pid)
    path = os.path.join(handlers, layout.handler_name(os.uname().nodename, pid, ticks or 0))
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return Result()
    try:
        with open(path, "rb") as file:
            number = int(file.readline(64))
            if ticks is None or procfs.start_ticks(pid) != ticks or not _catches(pid, number):
                return Result()
            start = file.seek(0, os.SEEK_END)
            signal.pidfd_send_signal(handle, number)
            text = _answer(path, start)
    except (OSError, ValueError):
        return Result()
    finally:
        os.close(handle)
    threads = from_faulthandler(text)
    return Result("faulthandler", threads) if threads else Result(error="faulthandler did not answer")


def _answer(path: str, start: int) -> str:
    """What is written to a file behind `start`, once that is all."""
    deadline_s, size, since_s = time.monotonic() + ANSWER_S, start, time.monotonic()
    while time.monotonic() < deadline_s and (size == start or time.monotonic() - since_s < QUIET_S):
        time.sleep(QUIET_S / 5)
        grown = os.stat(path).st_size
        if grown != size:
            size, since_s = grown, time.monotonic()
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(ANSWER_BYTES_MAX).decode(errors="replace")


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("SigCgt:"):
            return number > 0 and bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


# ---- gdb ------------------------------------------------------------------------------------------------------------


def _by_gdb(pid: int, manner: Manner) -> Result:
    program = _program("gdb")
    if program is None:
        return Result(error="there is no gdb on this node")
    # Nothing that lies beside the program may tell gdb what to do, and nothing is fetched from anywhere.
    quiet = ["-iex", "set auto-load off", "-iex", "set debuginfod enabled off", "-iex", "set pagination off"]
    command = [program, "-nx", "-nh", "-batch", *quiet, "-p", str(pid), "-ex", "thread apply all backtrace 200"]
    code, output, errors = _run(command, manner.timeout_s)
    if code is None:
        return Result(error=f"gdb took longer than {manner.timeout_s:g} s")
    threads = from_gdb(output.decode(errors="replace"), pid)
    if threads:
        return Result("native", threads)
    if any(word in errors.lower() for word in DENIED):
        return Result(error="gdb may not look into it: ptrace is not permitted (docs/how-to/hangs.md)")
    return Result(error=f"gdb: {errors.strip().rpartition(chr(10))[2] or 'no answer'}")


# ---- the kernel -----------------------------------------------------------------------------------------------------


def _by_kernel(pid: int) -> Result:
    threads = []
    with suppress(OSError):
        for name in sorted(os.listdir(f"/proc/{pid}/task"), key=int)[:THREADS_MAX]:
            base = f"/proc/{pid}/task/{name}"
            frames = from_kernel(_read(f"{base}/syscall"), _read(f"{base}/wchan"), _read(f"{base}/stack"), NAMES)
            threads.append(Thread(_read(f"{base}/comm").strip(), int(name) == pid, frames))
    if any(thread.frames for thread in threads):
        return Result("proc", tuple(threads))
    return Result(error="the kernel tells nothing of it to this user")


# ---- inside ---------------------------------------------------------------------------------------------------------


def _program(name: str) -> str | None:
    """Find a program, first beside this Python."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    return beside if os.access(beside, os.X_OK) else shutil.which(name)


def _run(command: list[str], timeout_s: float) -> tuple[int | None, bytes, str]:
    """Run a tool; the code is None if it took too long. It is asked to end before it is made to."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return 127, b"", error.strerror or str(error)
    with process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=GRACE_S)
            process.kill()
            return None, b"", ""
    return process.returncode, output, errors.decode(errors="replace")


def _read(path: str) -> str:
    with suppress(OSError), open(path, "rb") as file:
        return file.read(1 << 16).decode(errors="replace")
    return ""
