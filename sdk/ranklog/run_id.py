"""Which run a process belongs to, if need be without being told."""

import os

from ranklog.ancestors import Daemon
from ranklog.identity import job_ids, setting
from ranklog.layout import agent_path, is_alive, own_folders, safe_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ANNOUNCEMENT_BYTES_MAX = 1 << 16
NAME_CHARACTERS_MAX = 40


class Run:
    """A run, and its spool if its agent has told."""

    def __init__(self, run_id: str, folder: str | None = None) -> None:
        self.run_id = safe_name(run_id)
        self.folder = folder


def choose(told: str | None, environ: "Mapping[str, str]", daemon: Daemon | None, hostname: str, now_s: int) -> Run:
    """Take the run that the caller or the environment names, else an agent's on this node, else the launcher's job.

    All ranks of a job on a node come to the same answer, unless there is no launcher at all.
    """
    named = told or setting(environ, "RANKLOG_RUN_ID")
    if named:
        return Run(named)
    return announced(environ, hostname) or Run(from_launcher(environ, daemon) or f"local-{_utc(now_s)}-{os.getpid()}")


def new_run_id(name: str, now_s: float, random_hex: str) -> str:
    """Make a run's id of what it is about, the time in UTC, and a few random digits: readable, sortable, unique."""
    stem = safe_name(name)[:NAME_CHARACTERS_MAX].strip("-.") or "run"
    return f"{stem}-{_utc(now_s)}-{random_hex}"


def from_launcher(environ: "Mapping[str, str]", daemon: Daemon | None) -> str | None:
    """Name a run after the launcher's job, else after the launcher's process; None without a launcher."""
    for launcher, job in job_ids(environ):
        return f"{launcher}-{job}"
    return f"{daemon.name}-{daemon.pid}-{daemon.start_s}" if daemon else None


def announced(environ: "Mapping[str, str]", hostname: str) -> Run | None:
    """Find the run of the agent that was last started on this node and still lives."""
    newest, found = -1, None
    for folder in _spools(environ):
        path = agent_path(folder, hostname)
        try:
            start_ns, run_id = _read_announcement(path, hostname)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if start_ns > newest:
            newest, found = start_ns, Run(run_id, folder)
    return found


def has_agent(folder: str, hostname: str) -> bool:
    """Whether a living agent on this node has announced itself in a spool."""
    try:
        _read_announcement(agent_path(folder, hostname), hostname)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _spools(environ: "Mapping[str, str]") -> "Iterator[str]":
    told = setting(environ, "RANKLOG_SPOOL")
    if told:
        yield os.path.abspath(told)
        return
    for own in own_folders(os.getuid()):
        try:
            # Anybody can make a folder of this name; only the user's own is believed.
            names = os.listdir(own) if os.lstat(own).st_uid == os.getuid() else []
        except OSError:
            continue
        yield from (f"{own}/{name}" for name in names)


def _read_announcement(path: str, hostname: str) -> tuple[int, str]:
    """Raises OSError, ValueError, KeyError or TypeError if it is no announcement of a living agent."""
    with open(path, "rb", buffering=0) as file:
        raw = file.read(ANNOUNCEMENT_BYTES_MAX)
    from json import loads  # needed by few, and slow to import

    record = loads(raw or b"")
    if record["hostname"] != hostname or not record["run_id"]:
        raise ValueError("another node's")
    if not is_alive(int(record["pid"])):
        raise ValueError("left over from an agent that is gone")
    return int(record["start_ns"]), str(record["run_id"])


def _utc(now_s: float) -> str:
    import time

    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
