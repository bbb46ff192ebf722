"""Being there for the command until it has ended, and ending like it."""

from time import time_ns

from ranklog.capture.child import leave
from ranklog.capture.console import Console
from ranklog.capture.descriptors import STDERR, STDOUT
from ranklog.capture.heir import Heir
from ranklog.capture.inbox import Dispositions, Inbox
from ranklog.capture.outlet import Outlet
from ranklog.capture.relay import Relay
from ranklog.capture.source import Source
from ranklog.capture.witness import Witness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ranklog.capture.command import Capture


def serve(capture: "Capture", dispositions: Dispositions, *, is_quiet: bool) -> "NoReturn":
    """Relay output and signals until the command has ended and all it said is on disk; then end as it did."""
    sources = _sources(capture, is_quiet=is_quiet)
    heir, witness = Heir(capture, sources), Witness()
    relay = Relay(capture.child, sources, Inbox(dispositions), witness.report, STDOUT)
    relay.run()
    end_ns, status = time_ns(), capture.child.status
    assert status is not None, "it has ended"
    heir.tell(status)
    relay.drain()
    relay.settle()
    capture.write_exit(end_ns)
    heir.end()
    relay.part()
    witness.end()
    leave(status)


def _sources(capture: "Capture", *, is_quiet: bool) -> list[Source]:
    """Connect the command's terminals, the tapes, and our own stdout and stderr."""
    found = []
    for ours, kinds, number in zip(capture.ours, capture.kinds, (STDOUT, STDERR), strict=False):
        tapes = [capture.tapes[kind] for kind in kinds]
        found.append(Source(ours, tapes, None if is_quiet else Console(Outlet(number), tapes[0])))
    return found
