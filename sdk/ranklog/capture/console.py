"""The launcher's end of a rank's output: gets a copy as fast as it takes it, and never holds anything up."""

import os

from ranklog.capture.pieces import FLOOD_S, PARTIAL_LINE_S, piece

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ranklog.capture.outlet import Outlet
    from ranklog.capture.tape import Tape

PACE_S = 0.001
"""How long a terminal's reader is waited for if the sign that it has read may have been missed."""
PATIENT_PACE_S = 0.008
"""How long if the sign before that may have been missed as well."""
SLOW_S = 0.03
"""How long if it has surely not read yet."""
RETRY_S = 0.2
"""How long an outlet without room is left alone, unless it says that there is some."""


class Console:
    """Copies a tape to an outlet. The tape is the buffer: all that is kept here is a position.

    The position is also that of a descriptor, which the heir shares: it goes on from there if we are killed.

    A terminal gets the next piece when its reader has read the last. Launchers pass on what one read gives them, and
    reads that find whole lines give whole lines: otherwise Open MPI 4 tears thousands of them. A piece that is
    written on a guess is smaller, so that two wrong guesses in a row tear nothing.
    """

    def __init__(self, outlet: "Outlet", tape: "Tape") -> None:
        self._outlet = outlet
        self._tape = tape
        self._partial_since_s: float | None = None
        self._is_waiting = False
        self._has_missed_sign = False
        self.flooded_s: float | None = None
        """When the command last filled its terminal."""
        self.due_s: float | None = None
        """When to pump even if nothing happens (monotonic clock)."""
        self.sent = os.lseek(tape.position, 0, os.SEEK_CUR)
        """Bytes that the launcher has taken."""

    @property
    def unsent(self) -> int:
        """Bytes that the launcher has yet to take; 0 if it takes none any more."""
        return self._tape.size - self.sent if self._outlet.is_open else 0

    def fileno(self) -> int | None:
        """A descriptor that becomes readable when `ready` is to be called; None if there is none."""
        return self._outlet.fileno()

    def ready(self, now_s: float) -> None:
        """The launcher may take more."""
        self._outlet.forget_readiness()
        self._is_waiting = self._has_missed_sign = False
        self.pump(now_s)

    def pump(self, now_s: float, *, is_ending: bool = False) -> None:
        """Write what the launcher takes. At the end, the start of a line no longer waits for its end."""
        if self._is_waiting and self.due_s is not None and now_s < self.due_s:
            return
        self._has_missed_sign = self._is_waiting
        self._is_waiting = False
        self.due_s = None
        outlet = self._outlet
        while outlet.is_open and self.sent < self._tape.size:
            limit = outlet.guess_limit if self._has_missed_sign else outlet.limit
            waiting = self._tape.read(self.sent, limit)
            if not waiting:  # somebody has cut the file
                self.sent = self._tape.size
                return
            size = piece(waiting, limit, is_overdue=is_ending or self._is_overdue(now_s))
            if size == 0:
                self._hold(now_s)
                return
            taken = outlet.write(waiting[:size])
            if taken:
                self.sent += taken
                os.lseek(self._tape.position, self.sent, os.SEEK_SET)
                self._partial_since_s = None
            if taken < size:
                self._wait(now_s + RETRY_S)
                return
            if outlet.is_tty:
                pace_s = PATIENT_PACE_S if self._has_missed_sign else PACE_S
                self._wait(now_s + (SLOW_S if outlet.is_sign_sure else pace_s))
                return

    def _is_overdue(self, now_s: float) -> bool:
        return self._partial_since_s is not None and now_s >= self._partial_since_s + self._patience_s

    def _hold(self, now_s: float) -> None:
        if self._partial_since_s is None:
            self._partial_since_s = now_s
        self.due_s = self._partial_since_s + self._patience_s

    @property
    def _patience_s(self) -> float:
        held_s = self._partial_since_s
        is_flood = self.flooded_s is not None and held_s is not None and held_s - self.flooded_s < FLOOD_S
        return FLOOD_S if is_flood else PARTIAL_LINE_S

    def _wait(self, until_s: float) -> None:
        self._is_waiting = True
        self.due_s = until_s
