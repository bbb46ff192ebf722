"""All files that are mirrored: what has become of each since the last look, and what that means for its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from ranklog_agent.core import copies
from ranklog_agent.core.copies import Kind, prefix_crc
from ranklog_agent.core.facts import Identity, Sight, StreamName, spelled
from ranklog_agent.core.holding import Holding
from ranklog_agent.core.incarnation import TAIL_BYTES, Incarnation
from ranklog_agent.core.matching import Remembered
from ranklog_agent.core.naming import Naming
from ranklog_agent.core.ports import Files
from ranklog_agent.core.recent import Recent
from ranklog_agent.core.recollection import Recollection
from ranklog_agent.core.track import Track
from ranklog_agent.core.versions import Versions

ORPHAN_QUIET_NS = 2_000_000_000
"""How long a nameless file must not have grown before it is worth asking who still writes to it."""
HOLD_NAMELESS_NS = 3600 * 1_000_000_000
"""How long the bytes of a deleted file may wait for the collector, and occupy the disk meanwhile."""
DOUBT_NS = 1_000_000_000
"""How long after a write that made a file no longer its bytes are compared, unless there is another such write."""
COMPARE_PACE = 100
"""Nanoseconds per byte before a file is compared again: some 1 % of the time."""
COMPARED_MAX = 1 << 30
"""Larger files are not compared."""
COMPARED_AT_END_MAX = 64 << 20
"""Files up to this size are compared in the end even if there is no reason to doubt them."""


@dataclass(slots=True)
class Tracking:
    """Files in; the tracks know what is to be sent of them."""

    files: Files
    mint: Callable[[], str]
    """Gives a new segment's name."""
    wake: Callable[[Track], None]
    """Is called when there is something new about a track."""
    tracks: dict[str, Track] = field(default_factory=dict)
    holding: Holding = field(default_factory=Holding)
    has_ended: bool = False
    """Whether the job has: files that were in doubt get the benefit of it."""
    naming: Naming = field(init=False)
    versions: Versions = field(init=False)
    recent: Recent = field(default_factory=Recent)
    _restless: dict[str, Track] = field(default_factory=dict)
    """Tracks that may have a backlog, incarnations that no event tells of any more, or bytes in doubt."""
    _copies: dict[tuple[int, int], tuple[Identity, Sight]] = field(default_factory=dict)
    """Files that were found to be copies of others: as long as they stay as they are, they need not be read again."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        """Bring the parts together."""
        self.naming = Naming(self.files, self.holding, self.tracks, self.mint)
        self.versions = Versions(self.files, self.holding, self.naming, self._begun)

    # ---- what there is ----------------------------------------------------------------------------------------------

    def watch(self, path: str, stream: StreamName, is_snapshot: bool = False) -> Track:
        """Take a path's file into the care of a stream; a snapshot is mirrored whole each time it has changed."""
        track = self.tracks.get(path)
        if track is None:
            track = self.tracks[path] = Track(stream, path, lambda: next(self._numbers), is_snapshot)
            self.naming.claim(track)
        return track

    def is_taken(self, identity: Identity, path: str) -> bool:
        """Whether the file that a path names is taken care of under another name, or was, and nothing came since."""
        if self.holding.is_held(identity):
            return True
        if not self.holding.may_be_done(identity):
            return False
        file = self.files.peek(path)
        if file is None:
            return False
        is_done = self.holding.is_done(file)
        file.close()
        return is_done

    def is_copy(self, path: str, now_ns: int) -> bool:
        """Whether a file is a copy that a rotation made of one that is mirrored under its own name.

        An empty file is, and one that so far equals an original which was not truncated, until the job has ended.
        """
        for original in copies.originals(path):
            track = self.tracks.get(original)
            kind = self._kind_of(path, original, track, now_ns)
            if kind is Kind.OTHER and track is not None:
                # It may have been truncated while they were compared.
                kind = self._kind_of(path, original, track, now_ns)
            if kind is not Kind.OTHER:
                return kind is Kind.COPY or not self.has_ended
        return False

    def recall(self, remembered: list[Remembered], now_ns: int) -> None:
        """Take in what the collector knows of this node's files from earlier agents."""
        memory = self.naming.memory = Recollection(remembered)
        for track in self.tracks.values():
            for one in track.incarnations:
                self.naming.recognise(track, one)
        # Backwards, because each goes before what its track has already: in the end the oldest is first.
        for lost in memory.lost:
            if memory.is_unfound(lost):
                self._search(lost, now_ns)
        for track in list(self.tracks.values()):
            if self.naming.is_new(track) and self.is_copy(track.path, now_ns):
                self.naming.drop(track)
        for track in self.tracks.values():
            self.naming.claim(track)
            self._restless[track.path] = track
            for one in track.incarnations:
                self.naming.name_new(one)
            self.versions.confirmed(track)

    # ---- looking ----------------------------------------------------------------------------------------------------

    def look(self, track: Track, now_ns: int) -> None:
        """See what has become of a track's files."""
        if track.is_snapshot:
            self.versions.look(track, now_ns)
            return
        is_news = False
        while self._follow_path(track, now_ns):
            is_news = True
        sights: dict[int, Sight] = {}
        for one in reversed(track.incarnations):
            held = self.holding.file_of(one)
            if held is not None and one.final is None:
                sights[one.number] = held.sight()
        before = track.backlog
        for doubtful in track.saw(sights, now_ns):
            size = sights[doubtful.number].size
            if not self._still_holds_what_was_sent(doubtful, size):
                self.cut_short(track, doubtful, now_ns)
            elif size < doubtful.seen:
                track.shrank(doubtful, size, now_ns)
            else:
                doubtful.intact_ns = doubtful.doubted_ns = now_ns
        self._end_orphans(track, sights, now_ns)
        is_news |= track.backlog != before
        if is_news or track.is_rotated or track.is_in_doubt:
            self._restless[track.path] = track
        if is_news or any(one.final is not None for one in track.incarnations):
            self.wake(track)

    def look_again(self, now_ns: int) -> None:
        """Look after the files of which no event tells, or that have waited for a moment of quiet."""
        for path, track in list(self._restless.items()):
            if track.path not in self.tracks:
                del self._restless[path]
                continue
            if track.is_rotated:
                self.look(track, now_ns)
            for one in track.incarnations:
                if one.doubted_ns and now_ns - one.doubted_ns >= DOUBT_NS:
                    self._compare(track, one, now_ns, COMPARED_MAX)
            if not (track.is_rotated or track.backlog or track.is_in_doubt):
                del self._restless[path]

    def compare_all(self, now_ns: int) -> None:
        """Compare the files with what was sent of them, for the last time."""
        for track in list(self.tracks.values()):
            for one in list(track.incarnations):
                self._compare(track, one, now_ns, COMPARED_MAX if one.doubted_ns else COMPARED_AT_END_MAX)

    def end_all(self) -> None:
        """The job has ended: what the files hold now is all they will ever hold."""
        for track in self.tracks.values():
            for one in track.incarnations:
                track.ended(one)
            self.wake(track)

    # ---- what becomes of incarnations -------------------------------------------------------------------------------

    def cut_short(self, track: Track, one: Incarnation, now_ns: int, reason: str = "truncated") -> None:
        """A file no longer holds what was sent of it: look for a copy that does, as `copytruncate` makes one."""
        if track.is_snapshot:
            track.cut_short(one, reason, now_ns)
            return
        copy = copies.find(self.files, track.path, one, self._is_known) if one.sent else None
        if copy is None:
            track.cut_short(one, reason, now_ns)
        else:
            track.goes_on_in_copy(one, copy.sight().size, now_ns)
        self.begin_again(track, one, now_ns)
        if copy is not None:
            self.holding.hold(one, copy)
        self.wake(track)

    def begin_again(self, track: Track, after: Incarnation, now_ns: int) -> None:
        """A file starts over: the next incarnation, in the same inode. The one before has no file any more."""
        file = self.holding.file_of(after)
        if file is None:
            return
        again, same = track.begin_again(after, now_ns), file.again()
        self.holding.hold(again, same)
        self.holding.release(after)
        self.naming.name_new(again)
        track.saw({again.number: same.sight()}, now_ns)
        self._restless[track.path] = track

    def went_back(self, track: Track, one: Incarnation) -> None:
        """The collector has less of a track than it had."""
        self._restless[track.path] = track
        self.recent.forget(one.number)

    def forget_done(self, track: Track) -> None:
        """Let go of earlier incarnations, and of versions, of which the collector has everything."""
        if track.is_snapshot:
            self.versions.confirmed(track)
            return
        for done in track.forget_done():
            self.holding.release(done)

    def release_confirmed(self) -> None:
        """Let go of files of which the collector has confirmed everything, to make room for others."""
        for track in self.tracks.values():
            for one in track.incarnations:
                if one.closed and one.final is not None:
                    self.holding.release(one)

    def tail_before(self, one: Incarnation, offset: int, crc: int) -> bytes | None:
        """What the file holds before the offset; None if that is not what the collector has."""
        if (offset, crc) == (one.sent, one.crc):
            return one.tail
        file = self.holding.file_of(one)
        if file is None or file.read(one.sent - len(one.tail), len(one.tail)) != one.tail:
            return None
        if not one.passed(offset, crc) and prefix_crc(file, offset) != crc:
            return None
        start = max(0, offset - TAIL_BYTES)
        return file.read(start, offset - start)

    @property
    def backlog(self) -> int:
        """Bytes seen that the collector has not received."""
        return sum(track.backlog for track in self._restless.values())

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _begun(self, track: Track) -> None:
        self._restless[track.path] = track
        self.wake(track)

    def _follow_path(self, track: Track, now_ns: int) -> bool:
        """Turn to what the path has come to name; returns whether that is new."""
        identity = self.files.identity_at(track.path)
        current = track.current
        if current is not None and identity is not None and identity.may_be(current.identity):
            return False
        if identity is None or self.is_taken(identity, track.path):
            track.detach()
            return False
        if self.is_copy(track.path, now_ns):
            track.detach()
            return False
        file = self.files.open(track.path)
        if file is not None and self.holding.is_held(file.identity):
            # Opened when it was made, and found in another way since.
            file.close()
            file = self.files.open(track.path)
        if file is None or self.holding.is_held(file.identity):
            if file is not None:
                file.close()
            return False
        incarnation = track.attach(file.identity, now_ns)
        self.holding.hold(incarnation, file)
        self.naming.name(track, incarnation)
        return True

    def _search(self, lost: Remembered, now_ns: int) -> None:
        memory = self.naming.memory
        assert memory is not None
        track = self.watch(lost.path, lost.stream)
        self.look(track, now_ns)
        if memory.is_unfound(lost):
            memory.forget(lost)
            self.naming.find_lost(lost, track, Incarnation(next(self._numbers), lost.identity, now_ns), now_ns)

    def _kind_of(self, path: str, original: str, track: Track | None, now_ns: int) -> Kind:
        memory = self.naming.memory
        if track is not None:
            self.look(track, now_ns)
        if track is None and (memory is None or not memory.knows(spelled(original))):
            return Kind.OTHER
        file = self.files.peek(path)
        if file is None:
            return Kind.DOUBTFUL
        try:
            sight, key = file.sight(), (file.identity.device, file.identity.inode)
            if self._copies.get(key) == (file.identity, sight) or self.holding.is_held(file.identity):
                return Kind.COPY
            kind = Kind.OTHER
            if memory is not None and memory.is_held_whole(spelled(original), file, sight.size):
                kind = Kind.COPY
            elif track is not None:
                kind = copies.kind_of(file, track, self.holding.file_of(track.current), self.recent)
            if kind is Kind.COPY:
                self._copies[key] = (file.identity, sight)
            return kind
        finally:
            file.close()

    def _is_known(self, identity: Identity) -> bool:
        """Whether a file is another one's already."""
        known = self._copies.get((identity.device, identity.inode))
        return self.holding.is_held(identity) or (known is not None and known[0] == identity)

    def _still_holds_what_was_sent(self, one: Incarnation, size: int) -> bool:
        file = self.holding.file_of(one)
        if one.sent == 0 or file is None:
            return size == one.seen
        return one.sent <= size and file.read(one.sent - len(one.tail), len(one.tail)) == one.tail

    def _compare(self, track: Track, one: Incarnation, now_ns: int, size_max: int) -> None:
        """Compare all that was sent with what the file holds now; if that differs, it starts over."""
        file = self.holding.file_of(one)
        if file is None or one.severed or track.is_snapshot or not 0 < one.sent <= size_max:
            one.doubted_ns = 0
        elif now_ns >= one.compare_after_ns:
            one.doubted_ns = 0
            one.compare_after_ns = now_ns + one.sent * COMPARE_PACE
            if prefix_crc(file, one.sent) != one.crc:
                self.cut_short(track, one, now_ns, "replaced")

    def _end_orphans(self, track: Track, sights: dict[int, Sight], now_ns: int) -> None:
        """Files without a name and without a writer have said all they will ever say."""
        for one in track.incarnations:
            sight, held = sights.get(one.number), self.holding.file_of(one)
            if sight is None or held is None or not one.detached or sight.links or one.final is not None:
                continue
            one.nameless_ns = one.nameless_ns or now_ns
            if one.received < one.seen and now_ns - one.nameless_ns >= HOLD_NAMELESS_NS:
                track.cut_short(one, "held-too-long", now_ns)
                self.holding.release(one)
            elif now_ns - one.changed_ns >= ORPHAN_QUIET_NS and not held.has_writer():
                track.saw({one.number: held.sight()}, now_ns)
                track.ended(one)
