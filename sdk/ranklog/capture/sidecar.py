"""The node's agent, started by the first process on a node that finds none, where the job is to have one on each."""

import fcntl
import os
import sys
from time import sleep

from ranklog import relay_place
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
NONE = -1
STARTS_MAX = 4
"""Of an agent that dies again and again."""
LOOKS, LOOK_S = 100, 0.001
"""How often, and after which pauses, it is looked where an agent that is being started will listen."""


class Claim:
    """The right to start this node's agent, and the socket on which it is to answer MLflow's clients."""

    def __init__(self, lock: int, relay: int) -> None:
        self._lock = lock
        self._relay = relay

        self._pid = NONE
        self._starts = 0

    def start(self, run_id: str, folder: str, environ: "Mapping[str, str]") -> None:
        """Start an agent that outlives us, and ends by itself with the job. Raises OSError.

        Lock and socket are kept for one that takes its place: what MLflow's clients say meanwhile, the kernel keeps.
        """
        try:
            os.set_inheritable(self._lock, True)
            log = agent_log_path(folder, os.uname().nodename)
            self._pid = _spawn(_command(run_id, folder, environ), environ, log, self._relay)
            self._starts += 1
        except BaseException:
            self._give_up()
            raise

    def is_to_be_started_again(self, pid: int, status: int) -> bool:
        """Whether a child that has ended was the agent, and it was killed. One that always is, is given up."""
        if pid != self._pid:
            return False
        if os.WIFSIGNALED(status) and self._starts < STARTS_MAX:
            return True
        self._give_up()
        return False

    def _give_up(self) -> None:
        """Let others see to an agent, and clients know that nobody answers."""
        self._pid = NONE
        os.close(self._lock)
        os.close(self._relay)


def claim(folder: str) -> Claim | None:
    """Claim the right to start the agent; None if somebody sees to it, there is one, or there cannot be any.

    Of all processes on the node that come here, the one that gets the lock starts it; the agent holds the lock for as
    long as it lives. The others wait until it is written down where it will listen. Raises OSError or SpoolError.
    """
    hostname = os.uname().nodename
    prepare(folder, "agents")
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(agent_lock_path(folder, hostname), flags, 0o600)
    try:
        if _get(lock, folder, hostname) and not has_agent(folder, hostname) and _is_installed():
            claimed = Claim(lock, relay_place.make(folder, hostname))
            lock = NONE
            return claimed
    finally:
        if lock != NONE:
            os.close(lock)
    return None


def _get(lock: int, folder: str, hostname: str) -> bool:
    """Get the lock; False if another one has it, and it is known where the agent listens, or will not be."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if relay_place.find(folder, hostname) is not None:
                return False
            sleep(LOOK_S)
        else:
            return True
    return False


def _is_installed() -> bool:
    from importlib.util import find_spec  # costs some milliseconds, and few come here

    return bool(sys.executable) and all(find_spec(name) is not None for name in NEEDED)


def _command(run_id: str, folder: str, environ: "Mapping[str, str]") -> "list[str]":
    options = {"--collector": setting(environ, "RANKLOG_COLLECTOR"), "--run": run_id, "--spool": folder}
    options["--experiment"] = setting(environ, "RANKLOG_EXPERIMENT")
    options["--url"] = setting(environ, "RANKLOG_URL")
    token_file = setting(environ, "RANKLOG_TOKEN_FILE")
    options["--token-file"] = token_file and os.path.abspath(token_file)
    words = [word for name, value in options.items() if value for word in (name, value)]
    return [sys.executable, "-c", START, "agent", *words]


def _spawn(command: "list[str]", environ: "Mapping[str, str]", log: str, relay: int) -> int:
    return os.posix_spawn(
        command[0],
        command,
        # It is no member of the job, and what the head node says of itself does not hold here.
        {name: value for name, value in environ.items() if not name.startswith(PREFIXES) or name in KEPT},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, relay, STDIN),
            (os.POSIX_SPAWN_OPEN, STDOUT, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600),
            (os.POSIX_SPAWN_DUP2, STDOUT, STDERR),
            *((os.POSIX_SPAWN_CLOSE, number) for number in launchers_line(environ)),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )
