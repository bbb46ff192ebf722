"""Where things are in a spool, and how they get there (docs/reference/spool.md).

`ranklog exec` uses this part of the spool's format; it imports next to nothing. Reading records is `ranklog.spool`.
"""

import os

from ranklog.identity import setting
from ranklog.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
RECORD_SUFFIX = ".json"
EXIT_SUFFIX = ".exit.json"
KEY_CHARACTERS_MAX = 128
RUN_ID_CHARACTERS_MAX = 128
RESERVED_BYTES = 4096
BASES = ("/tmp", "/var/tmp", "/dev/shm")
"""Folders in which a spool may be made without being told where, the first that can be written to."""


class SpoolError(Exception):
    """A spool that cannot be used, or a record in it that is none. The text says which and why."""


def safe_name(text: str) -> str:
    """Make a run id or a part of one a file name: letters, digits, `_`, `.` and `-`, not starting with a dot."""
    kept = "".join(each if each.isascii() and (each.isalnum() or each in "_.-") else "-" for each in text)
    return kept[:RUN_ID_CHARACTERS_MAX].lstrip(".") or "-"


def process_key(rank: int | None, pid: int, start_ns: int) -> str:
    """Name a process; unique on the node, and safe as a file name."""
    return f"{'p' if rank is None else rank}-{pid}-{start_ns}"


def submitter_key(hostname: str, pid: int, start_ns: int) -> str:
    """Name who has submitted a job on this host and tags it: not one of its processes."""
    return f"{_submitters(hostname)}{pid}-{start_ns}"


def is_submitter(key: str, hostname: str) -> bool:
    """Whether a key names who has submitted the job on this host."""
    return key.startswith(_submitters(hostname))


def _submitters(hostname: str) -> str:
    return f"submitter-{safe_name(hostname)[:64]}-"


def safe_key(text: str) -> str:
    """Make any text a key. Different texts give different keys, but for the chances of a 32-bit checksum."""
    key = safe_name(text)[:KEY_CHARACTERS_MAX]
    if key == text:
        return key
    from zlib import crc32

    return f"{key[: KEY_CHARACTERS_MAX - 9]}-{crc32(os.fsencode(text)):08x}"


def key_of(name: str) -> tuple[str | None, bool]:
    """Tell the key of a file of procs/ and whether it is an exit record; the key is None if the file is neither."""
    is_exit = name.endswith(EXIT_SUFFIX)
    key = name.removesuffix(EXIT_SUFFIX if is_exit else RECORD_SUFFIX)
    return (key if key != name and is_key(key) else None), is_exit


def is_key(text: str) -> bool:
    """Whether a text has the form of a key."""
    return len(text) <= KEY_CHARACTERS_MAX and safe_name(text) == text


def procs_folder(folder: str) -> str:
    """The folder of the process records."""
    return os.path.join(folder, "procs")


def process_path(folder: str, key: str) -> str:
    """Who a process is."""
    return os.path.join(folder, "procs", key + RECORD_SUFFIX)


def exit_path(folder: str, key: str) -> str:
    """How a process ended."""
    return os.path.join(folder, "procs", key + EXIT_SUFFIX)


def streams_folder(folder: str) -> str:
    """The folder of the processes' output."""
    return os.path.join(folder, "streams")


def stream_file(key: str, name: str) -> str:
    """The file of a stream, relative to the spool."""
    return f"streams/{key}/{name}"


def handlers_folder(folder: str) -> str:
    """The folder in which processes say by which signal they tell where they are."""
    return os.path.join(folder, "handlers")


def handler_name(hostname: str, pid: int, start_ticks: int) -> str:
    """The file of a process in there; `start_ticks` is when it was started, in clock ticks since boot."""
    return f"{safe_name(hostname)[:64]}-{pid}-{start_ticks}.txt"


def agent_path(folder: str, hostname: str) -> str:
    """The announcement of a node's agent."""
    return os.path.join(folder, "agents", safe_name(hostname) + RECORD_SUFFIX)


def agent_lock_path(folder: str, hostname: str) -> str:
    """Locked (flock) by whoever sees to it that the node has an agent."""
    return os.path.join(folder, "agents", safe_name(hostname) + ".lock")


def relay_path(folder: str, hostname: str) -> str:
    """Where the relay of a node's agent listens."""
    return os.path.join(folder, "agents", safe_name(hostname) + ".relay")


def agent_log_path(folder: str, hostname: str) -> str:
    """What an agent says that `ranklog exec` has started."""
    return os.path.join(folder, "agents", safe_name(hostname) + ".log")


def agent_folder(folder: str, hostname: str) -> str:
    """What the node's agent keeps for itself."""
    return os.path.join(folder, "agents", safe_name(hostname))


def own_folders(uid: int) -> list[str]:
    """Where this user's spools may lie, the best place first."""
    return [f"{base}/ranklog-{uid}" for base in BASES]


def default_folder(environ: "Mapping[str, str]", run_id: str) -> str:
    """The spool of a run that is not told where: RANKLOG_SPOOL, else below the first of `BASES` that can be used.

    Raises SpoolError if there is none.
    """
    told = setting(environ, "RANKLOG_SPOOL")
    if told:
        return os.path.abspath(told)
    tried = own_folders(os.getuid())
    usable = next((folder for folder in tried if _is_usable(folder)), None)
    if usable is None:
        raise SpoolError(f"no folder for the spool: none of {', '.join(tried)} can be written to; set RANKLOG_SPOOL")
    return os.path.join(usable, safe_name(run_id))


def _is_usable(folder: str) -> bool:
    """Whether a user's folder is there and theirs, or can be made."""
    try:
        status = os.lstat(folder)
    except FileNotFoundError:
        return os.access(os.path.dirname(folder), os.W_OK | os.X_OK)
    except OSError:
        return False
    # Somebody else may have made it, or a link that leads elsewhere, in a folder that everybody can write to.
    return status.st_uid == os.getuid() and status.st_mode & 0o170000 == 0o040000 and os.access(folder, os.W_OK)


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number, be it another user's."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return pid > 0


def prepare(folder: str, *names: str) -> None:
    """Make a spool and these folders in it. Raises SpoolError."""
    try:
        for name in names:
            _make_folders(os.path.join(folder, name))
    except OSError as error:
        raise SpoolError(f"cannot make {error.filename}: {error.strerror}") from error


def _make_folders(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above == path:
            raise
        _make_folders(above)
        try:  # noqa: SIM105 (contextlib costs a rank 4 ms)
            os.mkdir(path, 0o700)
        except FileExistsError:  # another rank was faster
            pass


def write_record(path: str, record: "Mapping[str, object]") -> None:
    """Write a record so that it appears whole. Raises OSError."""
    content = encode(dict(record)).encode() + b"\n"
    try:
        # Not truncated before it is written: a full disk has no room but that which was reserved.
        _write(_fresh(path), content, os.O_CREAT)
        os.rename(_fresh(path), path)
    except OSError:
        _remove(_fresh(path))
        raise


def reserve_record(path: str) -> None:
    """Take room on the disk for a record that will have to be written when there may be none left. Raises OSError."""
    _write(_fresh(path), bytes(RESERVED_BYTES), os.O_CREAT | os.O_EXCL)


def _fresh(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.new")


def _write(path: str, content: bytes, flags: int) -> None:
    file = os.open(path, flags | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _write_all(file, content)
        os.ftruncate(file, len(content))
    finally:
        os.close(file)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _remove(path: str) -> None:
    try:  # noqa: SIM105 (contextlib costs a rank 4 ms)
        os.unlink(path)
    except OSError:
        pass
