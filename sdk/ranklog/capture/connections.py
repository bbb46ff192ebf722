"""The ways of the output: from the command's terminals to the tapes, and from those to the launcher."""

from ranklog.capture.console import Console
from ranklog.capture.descriptors import STDERR, STDOUT
from ranklog.capture.outlet import Outlet
from ranklog.capture.source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ranklog.capture.command import Capture


def connect(capture: "Capture") -> list[Source]:
    """Connect what a capture has open with our own stdout and stderr, unless these are to get nothing."""
    sources = []
    channels = zip(capture.ours, capture.hands, capture.kinds, (STDOUT, STDERR), strict=False)
    for ours, hand, kinds, number in channels:
        tapes = [capture.tapes[kind] for kind in kinds]
        console = None if capture.is_quiet else Console(Outlet(number), tapes[0])
        sources.append(Source(ours, hand, tapes, console))
    return sources
