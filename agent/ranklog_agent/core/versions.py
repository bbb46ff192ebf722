"""Files that are mirrored whole: a version is held open until the collector has it, and only so many at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ranklog_agent.core.holding import Holding
from ranklog_agent.core.naming import Naming
from ranklog_agent.core.ports import Files
from ranklog_agent.core.track import Track

HELD_MAX = 256
"""Versions that are under way at once; a job may upload thousands of files in one go."""


@dataclass(slots=True)
class Versions:
    """Takes files as they are, one version of each after the other."""

    files: Files
    holding: Holding
    naming: Naming
    begun: Callable[[Track], None]
    """Is called when a track has a new version to send."""
    _held: set[str] = field(default_factory=set)
    """Paths whose present version is under way."""
    _waiting: dict[str, Track] = field(default_factory=dict)
    """Tracks to look at as soon as there is room."""

    @property
    def has_waiting(self) -> bool:
        """Whether there are files that have not been looked at for want of room, or since their last version went."""
        return bool(self._waiting)

    def look(self, track: Track, now_ns: int) -> None:
        """Take the file as it is now, unless its last version is still under way."""
        if track.path in self._held:
            return
        if len(self._held) >= HELD_MAX:
            self._waiting[track.path] = track
            return
        seen = self.files.glance(track.path)
        if seen is not None and not track.is_version_due(*seen):
            return
        file = self.files.open(track.path)
        if file is None:
            return
        sight = file.sight()
        if not track.is_version_due(file.identity, sight):
            file.close()
            return
        version = track.attach_version(file.identity, sight, now_ns)
        self._held.add(track.path)
        self.holding.hold(version, file)
        self.naming.name(track, version)
        if version.closed:
            self.confirmed(track)
        else:
            self.begun(track)

    def look_at_waiting(self, now_ns: int) -> None:
        """Look at what there was no room for, as far as there is now."""
        while self._waiting and len(self._held) < HELD_MAX:
            self.look(self._waiting.pop(next(iter(self._waiting))), now_ns)

    def confirmed(self, track: Track) -> None:
        """Let go of a version that the collector has; the file may have been replaced meanwhile."""
        if track.path in self._held and all(one.closed for one in track.incarnations):
            self._held.discard(track.path)
            for one in track.incarnations:
                self.holding.release(one)
            self._waiting[track.path] = track
