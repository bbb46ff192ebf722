"""A terminal of the command, seen from our end."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ranklog.capture.console import Console
    from ranklog.capture.hand import Hand
    from ranklog.capture.tape import Tape

TTY_FULL_BYTES = 4095
"""What a terminal holds for its reader: a read that gives less has emptied it."""
GULP_BYTES = 1 << 16
QUIET_S = 0.1
"""How long descendants may be silent before the child's output counts as ended."""
DESCENDANTS_S = 1.0
"""How long descendants are listened to in all."""
STALLED_S = 1.0
"""How long a launcher may take nothing at the end, before what it has not taken is left to the file."""


class Source:
    """One terminal of the child, the tapes that its output goes to, and where the launcher gets its copy."""

    def __init__(self, ours: int, hand: "Hand", tapes: "Sequence[Tape]", console: "Console | None") -> None:
        self.ours = ours
        self._hand = hand
        self.tapes = tapes
        self.console = console
        self.is_open = True

    def take(self, now_s: float) -> bool:
        """Read what there is, up to a limit; tells whether that was anything."""
        data = self._gulp()
        if not data:
            return False
        for tape in self.tapes:
            tape.append(data, now_s)
        self._hand.empty()
        if self.console is not None:
            if len(data) >= TTY_FULL_BYTES:
                self.console.flooded_s = now_s
            self.console.pump(now_s)
        return True

    def take_over(self, now_s: float) -> None:
        """Write what somebody has read who was killed before it was written."""
        for index, tape in enumerate(self.tapes):
            tape.append(self._hand.left(index, tape.written), now_s)

    def _gulp(self) -> bytes:
        hand = self._hand
        hand.open([tape.written for tape in self.tapes])
        try:
            while hand.room >= TTY_FULL_BYTES:
                count = hand.take(self.ours)
                if not count:
                    self.is_open = False
                if count < TTY_FULL_BYTES:
                    break
        except BlockingIOError:
            pass
        except OSError:  # nobody has the other end open any more
            self.is_open = False
        return hand.content()
