"""Which life of its job a process belongs to: a job that is restarted or requeued is one run of several lives.

The launchers' own counts do not tell: of torchrun's nodes only the one whose worker failed counts a restart. But in
each life a rank is there once, and all ranks agree on how many they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Life:
    """The processes between one start of the job and the next."""

    number: int
    start_ns: int
    world_size: int | None = None
    ranks: set[int] = field(default_factory=set)

    def has_room(self, rank: int, world_size: int | None) -> bool:
        """Whether a process can be part of it."""
        return rank not in self.ranks and world_size in (None, self.world_size or world_size)


@dataclass(slots=True)
class Lives:
    """All of one job. What is known of a node may come late, so a process can also be one of an earlier life."""

    _all: list[Life] = field(default_factory=list)

    @property
    def last(self) -> Life:
        """The present one."""
        return self._all[-1] if self._all else Life(0, 0)

    def place(self, rank: int | None, world_size: int | None, start_ns: int) -> int:
        """Take in a process that has started, and tell the number of its life; times are on one clock."""
        began = [life.number for life in self._all if life.start_ns <= start_ns]
        candidates = self._all[began[-1] if began else 0 :]
        if rank is None:
            return candidates[0].number if candidates else 0
        # One that began a little before the first that was heard of in its life has no room in the life before.
        life = next((one for one in candidates if one.has_room(rank, world_size)), None)
        if life is None:
            life = Life(len(self._all), start_ns)
            self._all.append(life)
        life.ranks.add(rank)
        life.world_size = life.world_size or world_size
        life.start_ns = min(life.start_ns, start_ns)
        return life.number
