"""The node's agent, started by the first process on a node that finds none, where the job is to have one on each."""

import fcntl
import os
import sys

from ranklog.capture.descriptors import STDERR, STDIN, STDOUT, launchers_line
from ranklog.capture.lean import signal
from ranklog.identity import setting
from ranklog.layout import agent_lock_path, agent_log_path, prepare
from ranklog.run_id import has_agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NEEDED = ("ranklog_agent", "grpc", "watchdog", "psutil")
"""What the extra `agent` brings."""
START = (
    "import os, sys; os.chdir('/'); sys.path = [folder for folder in sys.path if folder]; "
    "from ranklog.__main__ import main; sys.exit(main())"
)
"""As `python -m ranklog`, but with nothing imported from the job's working folder, and without staying there."""
PREFIXES = ("RANKLOG_", "OMPI_MCA_ranklog_")
KEPT = ("RANKLOG_TOKEN", "RANKLOG_DEBUG")


def start(run_id: str, folder: str, environ: "Mapping[str, str]") -> None:
    """Start an agent that outlives us, and ends by itself with the job; nothing if there is one, or cannot be any.

    Of all processes on the node that come here, the one that gets the lock starts it; the agent holds the lock for as
    long as it lives. Raises OSError or SpoolError.
    """
    hostname = os.uname().nodename
    prepare(folder, "agents")
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(agent_lock_path(folder, hostname), flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not has_agent(folder, hostname) and _is_installed():
            os.set_inheritable(lock, True)
            _spawn(_command(run_id, folder, environ), environ, agent_log_path(folder, hostname))
    except BlockingIOError:  # somebody sees to it
        pass
    finally:
        os.close(lock)


def _is_installed() -> bool:
    from importlib.util import find_spec  # costs some milliseconds, and few come here

    return bool(sys.executable) and all(find_spec(name) is not None for name in NEEDED)


def _command(run_id: str, folder: str, environ: "Mapping[str, str]") -> "list[str]":
    options = {"--collector": setting(environ, "RANKLOG_COLLECTOR"), "--run": run_id, "--spool": folder}
    options["--experiment"] = setting(environ, "RANKLOG_EXPERIMENT")
    token_file = setting(environ, "RANKLOG_TOKEN_FILE")
    options["--token-file"] = token_file and os.path.abspath(token_file)
    words = [word for name, value in options.items() if value for word in (name, value)]
    return [sys.executable, "-c", START, "agent", *words]


def _spawn(command: "list[str]", environ: "Mapping[str, str]", log: str) -> None:
    os.posix_spawn(
        command[0],
        command,
        # It is no member of the job, and what the head node says of itself does not hold here.
        {name: value for name, value in environ.items() if not name.startswith(PREFIXES) or name in KEPT},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, STDIN, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, STDOUT, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600),
            (os.POSIX_SPAWN_DUP2, STDOUT, STDERR),
            *((os.POSIX_SPAWN_CLOSE, number) for number in launchers_line(environ)),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )
