"""The processes of a run on this machine: whoever was given its id, whoever their parents are now."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from ranklog import spool


def members(run_id: str) -> set[int]:
    """Find the processes whose environment names the run."""
    wanted = b"RANKLOG_RUN_ID=" + os.fsencode(run_id)
    found = set()
    for name in os.listdir("/proc"):
        if name.isdecimal() and wanted in _environment(name).split(b"\0"):
            found.add(int(name))
    return found


def kill(pids: set[int]) -> None:
    """End processes at once; those that are gone already do not matter."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def keepers(folder: str, hostname: str) -> dict[str, int]:
    """Find the living `ranklog exec` of processes that have no exit record yet, by the processes' keys."""
    procs = spool.procs_folder(folder)
    names = set(_names(procs))
    found = {}
    for name in names:
        key, is_exit = spool.key_of(name)
        if key is None or is_exit or key + spool.EXIT_SUFFIX in names:
            continue
        with suppress(OSError, spool.SpoolError):
            with open(os.path.join(procs, name), "rb") as file:
                record = spool.parse_process(file.read(spool.RECORD_BYTES_MAX))
            if record.hostname == hostname and record.exec_pid and os.path.exists(f"/proc/{record.exec_pid}"):
                found[key] = record.exec_pid
    return found


def parent() -> tuple[list[str], float]:
    """The command line of who has started this process, and how many seconds it has lived; empty if nobody tells."""
    try:
        with open(f"/proc/{os.getppid()}/cmdline", "rb") as file:
            words = [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]
        with open(f"/proc/{os.getppid()}/stat", "rb") as file:
            # Behind the program's name, which may hold anything.
            started_ticks = int(file.read().rpartition(b")")[2].split()[19])
        with open("/proc/uptime", "rb") as file:
            uptime_s = float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return [], 0.0
    return words, uptime_s - started_ticks / os.sysconf("SC_CLK_TCK")


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _environment(pid: str) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""
