"""Which signals that `ranklog exec` gets its child must be sent, for it did not get them itself (pure)."""

GRACE_S = 0.03
"""Time between the first and the last process of a group or a tree getting a signal, on a busy machine."""


class Ledger:
    """Compares what we got with what the witness got, a process that is in the same places as the child.

    Launchers and terminals signal a whole process group, slurmstepd every process of a step: then the witness got
    the signal too, and so did the child. torchrun, the kubelet and `kill PID` signal one process: nobody but us got it.
    """

    def __init__(self) -> None:
        self._received: list[tuple[float, int]] = []
        self._witnessed: list[tuple[float, int]] = []
        self.has_witness = True
        """Without one everything is passed on at once: a signal twice does less harm than none."""

    def received(self, number: int, now_s: float) -> None:
        """We got a signal."""
        self._witnessed = [entry for entry in self._witnessed if entry[0] > now_s]
        if not _strike(self._witnessed, number):
            self._received.append((now_s + GRACE_S if self.has_witness else now_s, number))

    def witnessed(self, number: int, now_s: float) -> None:
        """The witness got a signal."""
        if not _strike(self._received, number):
            self._witnessed.append((now_s + GRACE_S, number))

    def due(self, now_s: float) -> list[int]:
        """Take the signals that are to be passed on now, in the order in which they came."""
        due = [number for time_s, number in self._received if time_s <= now_s]
        self._received = [entry for entry in self._received if entry[0] > now_s]
        return due

    @property
    def due_s(self) -> float | None:
        """When `due` will have something; None if it waits for nothing."""
        return self._received[0][0] if self._received else None


def _strike(entries: list[tuple[float, int]], number: int) -> bool:
    """Take out the first entry of a signal; tell whether there was one."""
    found = next((entry for entry in entries if entry[1] == number), None)
    if found is not None:
        entries.remove(found)
    return found is not None
