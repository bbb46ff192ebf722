"""A Ray session's folder: its workers' output, its daemons' logs, and how workers ended."""

from __future__ import annotations

import re

import orjson

from ranklog_collector.importing.formats.found import End, Evidence, File, How, Writer

_SESSION = re.compile(r"(?P<session>.*/session_\d{4}-\d\d-\d\d_[\d_-]+)/logs/(?P<name>.+)$", re.DOTALL)
_WORKER = re.compile(
    r"(?P<kind>worker|io_worker)-(?P<id>[0-9a-f]{56})-(?P<job>[0-9a-f]{8})-(?P<pid>\d{1,10})\.(?P<stream>out|err)"
)
_NODE = re.compile(r"node_manager address: (?P<ip>[0-9a-fA-F.:]+?):\d+ .*? hostname: (?P<host>\S+)")
_CORE_WORKER = re.compile(r"python-core-worker-[0-9a-f]{56}_(?P<pid>\d{1,10})\.log")
_PID = re.compile(r"Worker PID: (\d{1,10})\b")
_INTENDED = re.compile(r"exit_type=INTENDED_(?:USER|SYSTEM)_EXIT")


def session(path: str) -> tuple[str, str] | None:
    """Tell the session's folder and the file's name among its logs; None if it is in none."""
    found = _SESSION.search(path)
    return (found["session"], found["name"]) if found else None


def written_by(file: File) -> tuple[Writer, str] | None:
    """Tell which worker wrote a file, and to which stream; None if it is no worker's."""
    inside = session(file.path)
    found = _WORKER.fullmatch(inside[1]) if inside else None
    if inside is None or found is None or found["kind"] != "worker":
        return None
    writer = Writer(pid=int(found["pid"]), group=f"{file.place}:{inside[0]}", launcher="ray")
    return writer, "stderr" if found["stream"] == "err" else "stdout"


def is_told_in(name: str) -> bool:
    """Whether a log of this name tells of nodes or of the ends of workers."""
    return name in ("raylet.out", "events/event_RAYLET.log") or _CORE_WORKER.fullmatch(name) is not None


def read(name: str, text: str, group: str) -> Evidence:
    """Read a log of a session's daemons."""
    evidence = Evidence()
    if name == "raylet.out":
        if found := _NODE.search(text):
            evidence.bases[group] = 0, found["host"]
            evidence.addresses[found["host"]] = found["ip"]
    elif name == "events/event_RAYLET.log":
        for line in text.splitlines():
            if (end := _failure(line, group)) is not None:
                evidence.ends.append(end)
                evidence.has_failed = True
    elif (found := _CORE_WORKER.fullmatch(name)) and _INTENDED.search(text):
        evidence.ends.append(End(How(0), pid=int(found["pid"]), group=group))
    return evidence


def _failure(line: str, group: str) -> End | None:
    """Read an event of a worker that was gone all of a sudden; how it ended Ray does not know."""
    try:
        loaded = orjson.loads(line)
        is_failure = loaded["label"] == "RAY_WORKER_FAILURE"
        pid, moment = _PID.search(loaded["message"]), int(loaded["timestamp"])
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        return None
    return End(None, pid=int(pid[1]), time_ns=moment * 1_000_000_000, group=group) if is_failure and pid else None
