"""Where the relay for MLflow's clients on a node listens: known before the agent lives, so that no rank waits for it.

Whoever starts an agent makes its socket; what clients say until the agent takes it up, the kernel keeps.
`ranklog exec` imports this, but not the socket module, which takes longer than all that is done here.
"""

import os

from ranklog.layout import is_alive, prepare, relay_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket as sockets

LOOPBACK = "127.0.0.1"
BACKLOG = 4096
RECORD_BYTES_MAX = 4096
SECRET_BYTES = 16
"""Others on this node can reach the port, but do not know the path."""


def make(folder: str, hostname: str) -> int:
    """Listen, and write down where; gives the socket, which is not inherited. Raises OSError or SpoolError.

    Where a relay was before, in this spool, there it is again, since its clients know no other place.
    """
    prepare(folder, "agents")
    before, _ = _read(folder, hostname)
    _, _, place = before.rpartition("://")
    address, _, secret = place.partition("/")
    listening = _listen(int(address.rpartition(":")[2] or 0))
    url = f"http://{LOOPBACK}:{listening.getsockname()[1]}/{secret or os.urandom(SECRET_BYTES).hex()}"
    _write(folder, hostname, url, [os.getpid()])
    return listening.detach()


def join(folder: str, hostname: str) -> str:
    """Note that this process serves the relay as well; gives its URL. Raises OSError or SpoolError."""
    url, pids = _read(folder, hostname)
    if not url:
        raise FileNotFoundError(2, "nobody has written down where the relay listens", relay_path(folder, hostname))
    _write(folder, hostname, url, [*pids, os.getpid()])
    return url


def find(folder: str, hostname: str) -> "str | None":
    """Give the relay's URL, if one of those who have its socket lives."""
    url, pids = _read(folder, hostname)
    return url if url and any(is_alive(pid) for pid in pids) else None


def _listen(port: int) -> "sockets.socket":
    if not TYPE_CHECKING:
        import _socket as sockets  # what few need, few import

    for wanted in (port, 0):
        listening = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM | sockets.SOCK_CLOEXEC, 0)
        try:
            listening.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
            listening.bind((LOOPBACK, wanted))
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            if wanted == 0:
                raise
        else:
            return listening
    raise AssertionError("the last one has raised")


def _read(folder: str, hostname: str) -> "tuple[str, list[int]]":
    """The URL, and the pids of those who have had the socket; empty if there is no such record."""
    try:
        file = os.open(relay_path(folder, hostname), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return "", []
    try:
        words = os.read(file, RECORD_BYTES_MAX).decode("ascii", "replace").split()
        return (words[0], [int(word) for word in words[1:]]) if words else ("", [])
    except (OSError, ValueError):
        return "", []
    finally:
        os.close(file)


def _write(folder: str, hostname: str, url: str, pids: "list[int]") -> None:
    path = relay_path(folder, hostname)
    fresh = f"{os.path.dirname(path)}/.{os.path.basename(path)}.{os.getpid()}.new"
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(file, " ".join([url, *(str(pid) for pid in pids)]).encode() + b"\n")
    finally:
        os.close(file)
    os.rename(fresh, path)
