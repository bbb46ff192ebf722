"""The processes whose records are in a spool, and how they are."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from ranklog import spool
from ranklog.layout import is_alive


@dataclass(frozen=True)
class Process:
    """A process; its state is `running`, `completed`, `failed` or `lost`."""

    key: str
    pid: int
    hostname: str
    role: str
    rank: int | None
    start_ns: int
    state: str
    end_ns: int | None = None
    exit_code: int | None = None


def processes(folder: str) -> list[Process]:
    """Give the processes of a spool, ranks in their order first. What is no record is passed over."""
    found: list[Process] = []
    with suppress(FileNotFoundError):
        for name in sorted(os.listdir(spool.procs_folder(folder))):
            key, is_exit = spool.key_of(name)
            if key is not None and not is_exit:
                with suppress(OSError, spool.SpoolError):
                    found.append(_process(folder, spool.parse_process(_read(spool.process_path(folder, key)))))
    return sorted(found, key=lambda each: (each.rank is None, each.rank or 0, each.start_ns))


def _process(folder: str, record: spool.ProcessRecord) -> Process:
    end_ns = exit_code = None
    try:
        end = spool.parse_exit(_read(spool.exit_path(folder, record.key)))
    except (OSError, spool.SpoolError):
        is_here = record.hostname == os.uname().nodename
        state = "running" if not is_here or is_alive(record.pid) else "lost"
    else:
        end_ns, exit_code = end.end_ns, end.exit_code
        state = "failed" if end.signal is not None or end.exit_code not in (0, None) else "completed"
    return Process(
        record.key,
        record.pid,
        record.hostname,
        record.role,
        record.rank,
        record.start_ns,
        state,
        end_ns,
        exit_code,
    )


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(spool.RECORD_BYTES_MAX + 1)
