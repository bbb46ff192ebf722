"""What `ranklog exec` writes into the spool about a process (docs/reference/spool.md)."""

import os

from ranklog.capture.lean import signal_name
from ranklog.layout import VERSION, stream_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    import resource
    from collections.abc import Mapping

    from ranklog.ancestors import Daemon
    from ranklog.identity import Identity

ARGUMENTS_CHARACTERS_MAX = 1 << 16
LAUNCHERS = frozenset({"mpirun", "mpiexec", "prterun", "orterun", "srun", "torchrun"})
MPI_LAUNCHERS = LAUNCHERS - {"srun", "torchrun"}
FILES = {
    "stdout": "stdout.log",
    "stderr": "stderr.log",
    "launcher_stdout": "stdout.log",
    "launcher_stderr": "stderr.log",
    "launcher_log": "launcher.log",
}
"""Kinds of streams, and their files."""


def role_of(identity: "Identity", command: "tuple[str, ...]") -> str:
    """`launcher` for a launcher that is not itself a rank, else the identity's."""
    is_launcher = launcher_name(command) in LAUNCHERS
    return "launcher" if is_launcher and (identity.rank is None or identity.is_whole_node) else identity.role


def launcher_name(command: "tuple[str, ...]") -> str:
    """`mpirun` for `/usr/bin/mpirun.openmpi`; means something only for launchers."""
    return os.path.basename(command[0]).partition(".")[0]


def kinds_of(role: str, command: "tuple[str, ...]", *, is_split: bool) -> "list[tuple[str, ...]]":
    """Tell how many terminals a process gets, and the kinds of the streams that each is written to."""
    if role == "launcher":
        both = ("launcher_log",) if launcher_name(command) in MPI_LAUNCHERS else ()
        return [("launcher_stdout", *both), ("launcher_stderr", *both)]
    return [("stdout",), ("stderr",)] if is_split else [("stdout",)]


def stream_records(
    key: str, kinds: "list[tuple[str, ...]]", name: str | None, rank: int | None
) -> "list[dict[str, str]]":
    """Describe the streams, each once. `name` is the caller's wish for the file names in the run folder."""
    records = []
    for kind in dict.fromkeys(kind for group in kinds for kind in group):
        record = {"file": stream_file(key, FILES[kind]), "kind": kind}
        if name is not None:
            told = name.replace("%r", "x" if rank is None else str(rank))
            stem, dot, suffix = told.rpartition(".") if "." in told else (told, "", "")
            record["name"] = told if kind == "stdout" else f"{stem}_{kind}{dot}{suffix}"
        records.append(record)
    return records


def started(
    key: str, pid: int, start_ns: int, role: str, identity: "Identity", daemon: "Daemon | None"
) -> "dict[str, object]":
    """Say who a process is in its job."""
    return {
        "version": VERSION,
        "key": key,
        "pid": pid,
        "start_ns": start_ns,
        "hostname": os.uname().nodename,
        "role": role,
        "rank": None if role == "launcher" else identity.rank,
        "local_rank": identity.local_rank,
        "world_size": identity.world_size,
        "local_size": identity.local_size,
        "node_rank": identity.node_rank,
        "launcher": identity.launcher,
        "job_id": identity.job_id,
        "restart": identity.restart,
        "pid_namespace": pid_namespace(),
        "exec_pid": os.getpid(),
        "launcher_pid": daemon.pid if daemon else None,
        "launcher_name": daemon.name if daemon else None,
        "nested": identity.nested,
    }


def command(words: "tuple[str, ...]", environ: "Mapping[str, str]") -> "dict[str, object]":
    """Say what a process runs."""
    return {
        "argv": _shortened(words),
        "cwd": _working_folder(),
        "user": environ.get("USER") or environ.get("LOGNAME") or str(os.getuid()),
    }


def ended(
    key: str,
    end_ns: int,
    status: int,
    usage: "resource.struct_rusage | None",
    oom_killed: bool | None,
    asked: tuple[int, int] | None,
    output_bytes: "Mapping[str, int]",
    lost_bytes: int,
) -> "dict[str, object]":
    """Say how a process ended, by its wait status and what it used, if that is known; `asked`: see Relay."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return {
        "version": VERSION,
        "key": key,
        "end_ns": end_ns,
        "exit_code": os.WEXITSTATUS(status) if number is None else None,
        "signal": number,
        "signal_name": None if number is None else signal_name(number),
        "core_dumped": os.WCOREDUMP(status),
        "oom_killed": oom_killed,
        "asked_signal": asked[0] if asked else None,
        "asked_ns": asked[1] if asked else None,
        **(_used(usage) if usage is not None else {}),
        "output_bytes": dict(output_bytes),
        "lost_bytes": lost_bytes,
    }


def _used(usage: "resource.struct_rusage") -> "dict[str, object]":
    return {
        "max_rss_bytes": usage.ru_maxrss * 1024,
        "user_s": usage.ru_utime,
        "system_s": usage.ru_stime,
        "minor_faults": usage.ru_minflt,
        "major_faults": usage.ru_majflt,
        "voluntary_switches": usage.ru_nvcsw,
        "involuntary_switches": usage.ru_nivcsw,
    }


def _shortened(command: "tuple[str, ...]") -> "list[str]":
    """The first so many characters of a command; a record must stay small."""
    words: list[str] = []
    room = ARGUMENTS_CHARACTERS_MAX
    for word in command:
        if len(word) >= room:
            return [*words, word[:room], "…"]
        words.append(word)
        room -= len(word) + 1
    return words


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def pid_namespace() -> int | None:
    """The inode number of this process's pid namespace; None if /proc does not tell."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None
