"""One path: its file's incarnations over rotations, truncations and replacements, and in which order to send them.

Order: a single writer that turns from one incarnation to the next must find its lines in that order. So at each look
the size of the path's present file is taken *before* those of the earlier ones, and the earlier ones' bytes are planned
before the present one's, up to the sizes seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ranklog_agent.core.facts import Identity, Sight, StreamName
from ranklog_agent.core.incarnation import Incarnation

CUTS_REMEMBERED = 16
"""Truncations whose copies are recognised; older ones have been collected as copies or are gone."""


@dataclass(frozen=True, slots=True)
class Read:
    """Bytes to read: `length` at `offset` of the incarnation's file, after checking that `tail` still precedes them."""

    track: Track
    incarnation: Incarnation
    offset: int
    length: int
    tail: bytes


@dataclass(slots=True)
class Track:
    """A stream and the incarnations of its source that are not yet done, oldest first."""

    stream: StreamName
    path: str
    number: Callable[[], int]
    """Gives the next incarnation's number, unique in this agent."""
    is_snapshot: bool = False
    """Each incarnation is one version of a file that is rewritten, and replaces the last."""
    incarnations: list[Incarnation] = field(default_factory=list)
    cut: deque[Incarnation] = field(default_factory=lambda: deque(maxlen=CUTS_REMEMBERED))
    """Incarnations that were truncated: there may be copies of them."""
    _version: tuple[Identity, Sight] | None = None
    _plan: deque[tuple[Incarnation, int]] = field(default_factory=deque)

    @property
    def current(self) -> Incarnation | None:
        """The incarnation that the path names."""
        if self.incarnations and not self.incarnations[-1].detached:
            return self.incarnations[-1]
        return None

    def attach(self, identity: Identity, now_ns: int) -> Incarnation:
        """The path names a file that is new to it."""
        if self.current is not None:
            self.current.detached = True
        incarnation = Incarnation(self.number(), identity, now_ns)
        self.incarnations.append(incarnation)
        return incarnation

    def is_version_due(self, identity: Identity, sight: Sight) -> bool:
        """Whether a file that is mirrored whole has changed since, and its last version is through."""
        if not all(one.closed for one in self.incarnations):
            return False
        return self._version is None or sight != self._version[1] or not identity.may_be(self._version[0])

    def attach_version(self, identity: Identity, sight: Sight, now_ns: int) -> Incarnation:
        """Take a file as it is now."""
        self._version = (identity, sight)
        version = Incarnation(self.number(), identity, now_ns, final=sight.size)
        self.incarnations = [version]
        if version.saw(sight.size, now_ns):
            self._plan.append((version, sight.size))
        return version

    def begin_again(self, after: Incarnation, now_ns: int) -> Incarnation:
        """The file of an incarnation that was cut short starts over."""
        since_ns = after.intact_ns or now_ns
        again = Incarnation(self.number(), after.identity, since_ns, detached=after is not self.current)
        after.detached = True
        self.incarnations.insert(self.incarnations.index(after) + 1, again)
        return again

    def adopt(self, incarnation: Incarnation) -> None:
        """Take up an earlier incarnation that was found under another name; it goes before the present ones."""
        incarnation.detached = True
        self.incarnations.insert(0, incarnation)

    def detach(self) -> None:
        """The path names no file, or one that belongs to something else."""
        if self.current is not None:
            self.current.detached = True

    def saw(self, sights: dict[int, Sight], now_ns: int) -> list[Incarnation]:
        """Note one look at all incarnations; returns those that may have been cut short: compare their bytes.

        The sight of the path's present file must be the oldest of them.
        """
        doubtful = []
        for incarnation in self.incarnations:
            sight = sights.get(incarnation.number)
            if sight is None or incarnation.final is not None:
                continue
            was_written = sight.mtime_ns != incarnation.mtime_ns
            incarnation.mtime_ns = sight.mtime_ns
            if sight.size < incarnation.seen or (sight.size == incarnation.seen and was_written):
                doubtful.append(incarnation)
                continue
            incarnation.intact_ns = now_ns
            if incarnation.saw(sight.size, now_ns):
                self._plan.append((incarnation, sight.size))
                if not was_written:
                    # The last look fell between a write's two traces, time and size.
                    incarnation.doubted_ns = 0
        return doubtful

    def cut_short(self, incarnation: Incarnation, reason: str, now_ns: int) -> None:
        """The file no longer holds what was sent of it, and no copy was found that does."""
        self._plan = deque(step for step in self._plan if step[0] is not incarnation)
        if self.is_snapshot:
            # The version that replaces this one comes next; of a torn one nothing is missed.
            incarnation.final = incarnation.seen = incarnation.sent
            return
        if incarnation.sent:
            self.cut.append(incarnation)
        incarnation.lost(incarnation.seen, reason, now_ns)

    def goes_on_in_copy(self, incarnation: Incarnation, copy_size: int, now_ns: int) -> None:
        """The file no longer holds what was sent of it, but a copy of this size does, and perhaps more.

        Whether anything was written between copy and truncation nobody can tell: that is recorded as a possible loss.
        """
        self._plan = deque(step for step in self._plan if step[0] is not incarnation)
        self.cut.append(incarnation)
        incarnation.seen = incarnation.sent
        if incarnation.saw(copy_size, now_ns):
            self._plan.appendleft((incarnation, copy_size))
        incarnation.final = copy_size
        incarnation.severed = True
        incarnation.note_loss(copy_size, None, "truncated", now_ns)

    def shrank(self, incarnation: Incarnation, size: int, now_ns: int) -> None:
        """The writer took back bytes that were not sent yet."""
        self._plan = deque(step for step in self._plan if step[0] is not incarnation)
        incarnation.seen = incarnation.sent
        if incarnation.saw(size, now_ns):
            self._plan.append((incarnation, size))

    def unread(self, incarnation: Incarnation, now_ns: int) -> None:
        """Bytes that were seen could not be read; the next look, if there is one, tells what became of them."""
        self._plan = deque(step for step in self._plan if step[0] is not incarnation)
        if self.is_snapshot:
            incarnation.final = incarnation.sent
        elif incarnation.final is not None:
            incarnation.lost(incarnation.final, "truncated", now_ns)
        incarnation.seen = incarnation.sent

    def ended(self, incarnation: Incarnation) -> None:
        """No process can write to it any more."""
        if incarnation.final is None:
            incarnation.final = incarnation.seen

    def vanished(self, incarnation: Incarnation, now_ns: int) -> None:
        """Its file is gone and what it held beyond `sent` cannot be told."""
        incarnation.lost(None, "vanished", now_ns)

    def next_read(self, length_max: int) -> Read | None:
        """The next bytes to send, if there are any."""
        while self._plan:
            incarnation, end = self._plan[0]
            if incarnation.sent < min(end, incarnation.seen):
                length = min(length_max, end - incarnation.sent)
                return Read(self, incarnation, incarnation.sent, length, incarnation.tail)
            self._plan.popleft()
        return None

    def replan(self) -> None:
        """Plan anew after offsets went back."""
        self._plan = deque((one, one.seen) for one in self.incarnations if one.is_readable)

    def forget_done(self) -> list[Incarnation]:
        """Drop earlier incarnations that are complete and confirmed; returns them, for their files to be let go."""
        done = [one for one in self.incarnations if one.final is not None and one.closed and one.detached]
        if done:
            self.incarnations = [one for one in self.incarnations if one not in done]
        return done

    @property
    def is_rotated(self) -> bool:
        """Whether there are incarnations that the path does not name any more."""
        return len(self.incarnations) > 1 or (bool(self.incarnations) and self.incarnations[0].detached)

    @property
    def is_in_doubt(self) -> bool:
        """Whether bytes that were sent may be others by now."""
        return any(one.doubted_ns for one in self.incarnations)

    @property
    def backlog(self) -> int:
        """Bytes seen that the collector has not received."""
        return sum(one.seen - one.received for one in self.incarnations if one.seen > one.received)

    @property
    def is_settled(self) -> bool:
        """Whether all that was seen is durable at the collector."""
        return all(one.durable >= one.seen for one in self.incarnations)
