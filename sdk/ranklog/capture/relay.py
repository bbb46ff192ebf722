"""The loop of `ranklog exec`: output from the terminal to the tapes and on to the launcher, signals to the child."""

import os
from select import EPOLLIN, epoll
from time import monotonic, time_ns

from ranklog.capture.lean import signal
from ranklog.capture.signals import Ledger
from ranklog.capture.source import DESCENDANTS_S, QUIET_S, STALLED_S, Source
from ranklog.capture.terminal import resize, window_of

inf = float("inf")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ranklog.capture.child import Child
    from ranklog.capture.inbox import Inbox

DISK_S = 2.0
"""How long a full disk is waited for at the end."""
PARTING_S = 30.0
"""How long a launcher may take in all."""
REQUEST_S = 0.1
"""How much later than the child we may get a signal that is sent to both."""
STOPS = frozenset({signal.SIGTSTP, signal.SIGTTIN})
ENDS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


class Relay:
    """Everything that happens while a child lives, and what is left to do after.

    `witness` is the descriptor that tells of the witness's signals, if there is one, `window_from` that of the terminal
    whose size the child's terminals follow.
    """

    def __init__(
        self, child: "Child", sources: "Sequence[Source]", inbox: "Inbox", witness: int | None, window_from: int
    ) -> None:
        self._child = child
        self._sources = sources
        self._inbox = inbox
        self._window_from = window_from
        self._ledger = Ledger()
        self._wants_stop = False
        self._last_output_s = monotonic()
        self._is_told_to_end = False
        self.asked: tuple[int, int] | None = None
        """The signal by which the child was first asked to end, and when (ns)."""
        self._poller = epoll()
        self._handlers: dict[int, Callable[[float], object]] = {}
        self._listen(inbox.fileno(), self._on_signals)
        self._ledger.has_witness = witness is not None
        if witness is not None:
            self._listen(witness, lambda now_s: self._on_witness(witness, now_s))
        for source in sources:
            self._listen_to_output(source)
            if source.console is not None and (number := source.console.fileno()) is not None:
                self._listen(number, source.console.ready)

    def run(self) -> None:
        """Serve the child until it has ended."""
        while self._child.status is None:
            self._step()
        self._is_told_to_end = False  # that was for the child

    def drain(self) -> None:
        """Take its last words, and a little of what its descendants that still hold the terminal say."""
        ended_s = monotonic()
        while any(source.is_open for source in self._sources):
            quiet_s = max(self._last_output_s, ended_s) + QUIET_S
            until_s = min(quiet_s, ended_s + DESCENDANTS_S)
            if monotonic() < until_s:
                self._step(until_s)
                continue
            # Time may have passed without the processor for us, or for the kernel's thread that hands output over:
            # only a read tells whether there is any.
            heard = [self._hear(source, monotonic()) for source in self._sources if source.is_open]
            if not any(heard) or until_s < quiet_s:
                break

    def hear_out(self) -> None:
        """Whoever ends a whole job may reach the child first, and ends it by that: wait a moment for our own signal."""
        status = self._child.status
        until_s = monotonic() + REQUEST_S
        is_asking = status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) in ENDS
        while is_asking and self.asked is None and monotonic() < until_s:
            self._step(until_s)

    def settle(self) -> None:
        """Give a full disk a last chance."""
        until_s = monotonic() + DISK_S
        tapes = [tape for source in self._sources for tape in source.tapes]
        while any(tape.retry_s is not None for tape in tapes) and monotonic() < until_s and not self._is_told_to_end:
            self._step(until_s)
        for tape in tapes:
            tape.give_up()

    def part(self) -> None:
        """Let the launcher take what it has not yet taken, as long as it takes any."""
        consoles = [source.console for source in self._sources if source.console is not None]
        began_s = moved_s = monotonic()
        left = -1
        while not self._is_told_to_end:
            now_s = monotonic()
            for console in consoles:
                console.pump(now_s, is_ending=True)
            unsent = sum(console.unsent for console in consoles)
            if unsent != left:
                left, moved_s = unsent, now_s
            until_s = min(moved_s + STALLED_S, began_s + PARTING_S)
            if unsent == 0 or now_s >= until_s:
                return
            self._step(until_s)

    def _step(self, until_s: float = inf) -> None:
        """Wait for something to happen, at the latest until a time, and do what follows from it."""
        wait_s = min(until_s, self._due_s()) - monotonic()
        for number, _ in self._poller.poll(None if wait_s == inf else max(wait_s, 0.0)):
            self._handlers[number](monotonic())
        now_s = monotonic()
        for source in self._sources:
            for tape in source.tapes:
                if tape.retry_s is not None and tape.retry_s <= now_s:
                    tape.retry(now_s)
            if source.console is not None and source.console.due_s is not None and source.console.due_s <= now_s:
                source.console.pump(now_s)
        for signal_number in self._ledger.due(now_s):
            self._child.send(signal_number)

    def _due_s(self) -> float:
        due_s = [self._ledger.due_s]
        for source in self._sources:
            due_s += [tape.retry_s for tape in source.tapes]
            if source.console is not None:
                due_s.append(source.console.due_s)
        return min((each for each in due_s if each is not None), default=inf)

    def _listen(self, number: int, handler: "Callable[[float], object]") -> None:
        self._poller.register(number, EPOLLIN)
        self._handlers[number] = handler

    def _listen_to_output(self, source: Source) -> None:
        self._listen(source.ours, lambda now_s: self._hear(source, now_s))

    def _hear(self, source: Source, now_s: float) -> bool:
        """Take what a terminal gives; whether that was anything."""
        is_news = source.take(now_s)
        if is_news:
            self._last_output_s = now_s
        if not source.is_open:
            self._poller.unregister(source.ours)
        return is_news

    def _on_witness(self, witness: int, now_s: float) -> None:
        numbers = os.read(witness, 4096)
        for number in numbers:
            self._ledger.witnessed(number, now_s)
        if not numbers:
            self._poller.unregister(witness)
            self._ledger.has_witness = False

    def _on_signals(self, now_s: float) -> None:
        for number in self._inbox.take():
            if number == signal.SIGCHLD:
                self._child.reap()
            elif number == signal.SIGWINCH:
                self._resize()
            else:
                self._ledger.received(number, now_s)
                self._wants_stop = number in STOPS or (self._wants_stop and number != signal.SIGCONT)
                if number in ENDS:
                    self._is_told_to_end = True
                    self.asked = self.asked or (number, time_ns())
        if self._wants_stop and self._child.is_stopped:
            self._wants_stop = False
            self._inbox.stop()

    def _resize(self) -> None:
        window = window_of(self._window_from)
        if window is not None:
            for source in self._sources:
                resize(source.ours, window)
        # It may have looked before its terminal had the new size.
        self._child.send(signal.SIGWINCH)
