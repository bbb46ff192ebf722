"""Being there for the command until it has ended, and ending like it."""

import os
from time import time_ns

from ranklog.capture.child import leave
from ranklog.capture.connections import connect
from ranklog.capture.descriptors import STDOUT
from ranklog.capture.inbox import Dispositions, Inbox
from ranklog.capture.relay import Relay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ranklog.capture.command import Capture


def serve(capture: "Capture", dispositions: Dispositions) -> "NoReturn":
    """Relay output and signals until the command has ended and all it said is on disk; then end as it did."""
    _give_way()
    relay = Relay(capture.child, connect(capture), Inbox(dispositions), capture.witness.report, STDOUT)
    relay.run()
    end_ns, status = time_ns(), capture.child.status
    assert status is not None, "it has ended"
    capture.heir.tell(status)
    relay.hear_out()
    asked = relay.asked and (relay.asked[0], min(relay.asked[1], end_ns))
    relay.drain()
    relay.settle()
    capture.write_exit(end_ns, asked)
    capture.heir.end()
    relay.part()
    capture.witness.end()
    leave(status)


def _give_way() -> None:
    """Let waking up to read never interrupt whoever computes or prints: there is soon an end to what they do at once.

    Whoever chose another way of scheduling than the usual one keeps it.
    """
    try:
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    except OSError:  # not allowed in some containers
        pass
