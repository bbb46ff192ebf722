"""Finding one's place: in the job that the process belongs to, or in a run of its own."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from resource import RUSAGE_SELF, getrusage
from time import time, time_ns

from ranklog import layout, spool
from ranklog.ancestors import Daemon, descends, launcher_daemon
from ranklog.capture import record
from ranklog.identity import Identity, detect, setting
from ranklog.run.answering import answer_in
from ranklog.run.own_log import note, warn
from ranklog.run.place import Place
from ranklog.run_id import announced, choose, from_launcher

_here: list[Place] = []
"""This process's place, once it has one; forked children inherit it."""


def here() -> Place:
    """Give the place of this process, and take it if that has not been done yet."""
    if not _here:
        _here.append(_told(os.environ) or _new(os.environ))
        _here[0].log_here()
        answer_in(_here[0].folder)
        note("logging to run %s in %s as %s", _here[0].run_id, _here[0].folder, _here[0].key)
    return _here[0]


def is_in_job(environ: Mapping[str, str]) -> bool:
    """Whether there is a run around this process: it is told of one, there is an agent, or a launcher started it."""
    if _here:
        return _here[0].is_owned
    if setting(environ, "RANKLOG_RUN_ID") or announced(environ, os.uname().nodename):
        return True
    return from_launcher(environ, launcher_daemon(os.getpid())) is not None


def join(run_id: str, folder: str, *, is_owned: bool) -> Place:
    """Take a new place in a spool: write who this process is, and at its end that it has ended."""
    return _write_records(run_id, folder, detect(os.environ), launcher_daemon(os.getpid()), is_owned=is_owned)


def _told(environ: Mapping[str, str]) -> Place | None:
    """Give the place that `ranklog exec` or a parent process has told, if it is meant for this process."""
    run_id, folder, key = (setting(environ, f"RANKLOG_{name}") for name in ("RUN_ID", "SPOOL", "PROCESS"))
    if not (run_id and folder and key) or not layout.is_key(key):
        return None
    try:
        with open(layout.process_path(folder, key), "rb") as file:
            known = spool.parse_process(file.read(spool.RECORD_BYTES_MAX + 1))
    except (OSError, spool.SpoolError):
        return None
    return Place(run_id, folder, key, is_owned=True, rank=known.rank) if _is_meant(known, environ) else None


def _is_meant(known: spool.ProcessRecord, environ: Mapping[str, str]) -> bool:
    """Whether a process record is that of this process, or of one that this one is a part of."""
    if known.role == "launcher" or known.rank != detect(environ).rank or known.hostname != os.uname().nodename:
        return False
    # Where pids mean something else, only who is told can know.
    return known.pid_namespace != record.pid_namespace() or descends(os.getpid(), known.pid)


def _new(environ: Mapping[str, str]) -> Place:
    daemon = launcher_daemon(os.getpid())
    is_owned = is_in_job(environ)
    run = choose(None, environ, daemon, os.uname().nodename, int(time()))
    try:
        folder = os.path.abspath(run.folder or layout.default_folder(environ, run.run_id))
    except layout.SpoolError as error:
        warn(f"nothing is logged: {error}")
        folder = os.path.join(layout.own_folders(os.getuid())[0], run.run_id)
    place = _write_records(run.run_id, folder, detect(environ), daemon, is_owned=is_owned)
    # So that spawned workers find it.
    os.environ |= {"RANKLOG_RUN_ID": place.run_id, "RANKLOG_SPOOL": folder, "RANKLOG_PROCESS": place.key}
    return place


def _write_records(run_id: str, folder: str, identity: Identity, daemon: Daemon | None, *, is_owned: bool) -> Place:
    start_ns, words = time_ns(), tuple(sys.orig_argv)
    key = layout.process_key(identity.rank, os.getpid(), start_ns)
    place = Place(run_id, folder, key, is_owned=is_owned, rank=identity.rank)
    fields = {
        **record.started(key, os.getpid(), start_ns, identity.role, identity, daemon),
        **record.command(words, os.environ),
        "exec_pid": None,
        "streams": [],
    }
    try:
        layout.prepare(folder, "procs")
        layout.write_record(layout.process_path(folder, key), fields)
    except (OSError, layout.SpoolError) as error:
        warn(f"the agent will not learn of this process: {error}")
    atexit.register(_leave, place, os.getpid())
    return place


def _leave(place: Place, pid: int) -> None:
    """Say at the end of the process that it has ended; its forked children say nothing."""
    if os.getpid() != pid:
        return
    place.points.settle()
    used = getrusage(RUSAGE_SELF)
    fields: dict[str, object] = {
        "version": layout.VERSION,
        "key": place.key,
        "end_ns": time_ns(),
        # An exit code is not known yet, but that an exception is ending the process is.
        "exit_code": 1 if hasattr(sys, "last_type") and not hasattr(sys, "ps1") else None,
        "signal": None,
        "max_rss_bytes": used.ru_maxrss * 1024,
        "user_s": used.ru_utime,
        "system_s": used.ru_stime,
    }
    try:
        layout.write_record(layout.exit_path(place.folder, place.key), fields)
    except OSError as error:
        warn(f"the end of this process is not recorded: {error}")
