"""What the heir does when `ranklog exec` has been killed."""

from select import POLLIN, poll
from time import monotonic, sleep, time_ns

from ranklog.capture.connections import connect
from ranklog.capture.lean import signal
from ranklog.capture.source import DESCENDANTS_S, QUIET_S, STALLED_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranklog.capture.command import Capture
    from ranklog.capture.console import Console
    from ranklog.capture.source import Source

DEATH_S = 30.0
"""How long the command may take to die of SIGKILL, on a busy machine."""


def finish(capture: "Capture", status: int | None) -> None:
    """Bring everything to its end. `status` is the command's wait status, None if it had not ended before."""
    for tape in capture.tapes.values():
        tape.catch_up()
    sources = connect(capture)
    for source in sources:
        source.take_over(monotonic())
    _drain(sources)
    if status is not None or _has_died(capture.child.pid):
        # It died with us: the kernel sends it SIGKILL then.
        capture.child.status = int(signal.SIGKILL) if status is None else status
        capture.write_exit(time_ns())
    _part([source.console for source in sources if source.console is not None])


def _drain(sources: "Sequence[Source]") -> None:
    """Read the last words from the terminals."""
    poller = poll()
    for source in sources:
        poller.register(source.ours, POLLIN)
    until_s = monotonic() + DESCENDANTS_S
    while any(source.is_open for source in sources) and poller.poll(QUIET_S * 1000):
        for source in sources:
            if source.is_open:
                source.take(monotonic())
                if not source.is_open:
                    poller.unregister(source.ours)
        if monotonic() >= until_s:
            break


def _has_died(pid: int) -> bool:
    """Wait for the command's end; False if it outlives us, as another user's may."""
    until_s = monotonic() + DEATH_S
    while monotonic() < until_s:
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                if stat.read().rpartition(b")")[2].split()[0] in (b"Z", b"X"):
                    return True
        except OSError:
            return True
        sleep(0.005)
    return False


def _part(consoles: "Sequence[Console]") -> None:
    """Give the launcher what it would have had from us."""
    until_s = monotonic() + STALLED_S
    poller = poll()
    for console in consoles:
        if (number := console.fileno()) is not None:
            poller.register(number, POLLIN)
    while any(console.unsent for console in consoles) and monotonic() < until_s:
        for console in consoles:
            console.pump(monotonic(), is_ending=True)
        if poller.poll(5):
            for console in consoles:
                console.ready(monotonic())
