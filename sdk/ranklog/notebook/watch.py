"""Looking at a run, again and again: each look asks the run's source for what is shown, and for no more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ranklog.errors import RanklogError, RunNotFoundError
from ranklog.failure import reason
from ranklog.notebook import clean, shown
from ranklog.source.protocol import Json, Source

if TYPE_CHECKING:
    from ranklog.run import Run

LINES = 300
"""So many of the last lines are known; a browser adds them to those that it has."""
POINTS = 400
ENDED = ("Completed", "Failed", "Canceled")
SILENT = "NotResponding"
BROKEN = ("Failed", SILENT)


@dataclass(frozen=True)
class Choice:
    """What somebody wants to see: a metric (None: the first), and ranks like `0,3-5` ("": all)."""

    metric: str | None = None
    rank: str = ""


@dataclass(frozen=True)
class View:
    """What there was to see. See `shown`; `trouble` is what kept some of it from being read."""

    head: Json = field(default_factory=dict)
    processes: Json = field(default_factory=dict)
    metrics: list[Json] = field(default_factory=list)
    chart: Json = field(default_factory=dict)
    log: Json = field(default_factory=dict)
    trouble: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.head.get("status") in ENDED and not self.trouble

    @property
    def is_silent(self) -> bool:
        """Whether nobody reports of the run: that may change, or not."""
        return bool(self.trouble) or self.head.get("status") == SILENT


class Watch:
    """A run, and what was seen of it last. For one thread at a time."""

    def __init__(self, run: Run, clock: Callable[[], float] = time.time) -> None:
        self._run = run
        self._clock = clock
        self._view = View(head=shown.head(run.id, "", {}, None, None, round(clock() * 1000)))
        self._tail = _Tail("")
        self._troubles: list[str] = []
        self._reason = ("", "")
        """Why it failed, found once for a status."""

    def look(self, choice: Choice) -> View:
        """See what there is now. What cannot be read stays as it was seen last."""
        self._troubles = []
        # Asked first: what was said before the end must be seen when it is known.
        with self._tried():
            self._see(head=self._head())
        source = None
        with self._tried():
            source = self._run._source  # noqa: SLF001 (Run's own; a run that ends here is read elsewhere afterwards)
        if source is not None:
            with self._tried():
                self._see(processes=shown.processes(source.processes(self._run.id)))
            with self._tried():
                self._see(metrics=shown.metrics(source.metrics(self._run.id)))
            with self._tried():
                self._see(chart=self._chart(source, choice))
            with self._tried():
                if choice.rank.strip() != self._tail.rank:
                    self._tail = _Tail(choice.rank.strip())
                self._see(log=self._tail.read(source, self._run.id))
        self._see(trouble="\n".join(dict.fromkeys(self._troubles)))
        return self._view

    def _see(self, **parts: Any) -> None:
        self._view = replace(self._view, **parts)

    @contextmanager
    def _tried(self) -> Iterator[None]:
        try:
            yield
        except RunNotFoundError:
            pass  # it is only being started
        except RanklogError as error:
            self._troubles.append(clean.name(error, shown.ERROR_CHARACTERS_MAX))
        except Exception as error:  # noqa: BLE001 (a view that is not right must not end a notebook's work)
            self._troubles.append(clean.name(f"{type(error).__name__}: {error}", shown.ERROR_CHARACTERS_MAX))

    def _head(self) -> Json:
        run, status = self._run, self._run.get_status()
        facts: Json = {}
        url = None
        with self._tried():
            source = run._source  # noqa: SLF001 (Run's own)
            facts = source.run(run.id)
            url = run.get_portal_url()
            if status in BROKEN and not facts.get("error"):
                facts = {**facts, "error": self._why(source, status)}
        known = run._known_experiment  # noqa: SLF001 (Run's own; asking for it would make one up)
        name = None if known is None else known.name
        return shown.head(run.id, status, facts, name, url, round(self._clock() * 1000))

    def _why(self, source: Source, status: str) -> str:
        if self._reason[0] != status:
            self._reason = (status, reason(source, self._run.id) or "")
        return self._reason[1]

    def _chart(self, source: Source, choice: Choice) -> Json:
        rows = {row["key"]: row for row in self._view.metrics}
        key = choice.metric if choice.metric in rows else next(iter(rows), None)
        if key is None:
            return {}
        if rows[key]["processes"] <= shown.CURVES_MAX:
            return shown.curves(key, source.series(self._run.id, key, None, POINTS))
        rank = choice.rank.strip()
        picked = source.series(self._run.id, key, int(rank), POINTS) if rank.isdecimal() else []
        return shown.band(key, source.aggregate(self._run.id, key, POINTS), picked)


class _Tail:
    """The last lines. They are numbered as they come: where numbers are missing, lines have been passed over."""

    def __init__(self, rank: str) -> None:
        self.rank = rank
        """Of which ranks they are."""
        self._cursor: str | None = None
        self._lines: deque[list[Any]] = deque(maxlen=LINES)
        self._next = 0

    def read(self, source: Source, run_id: str) -> Json:
        """What there is now: `rank`, the number of the `first` line, and the `lines`."""
        lines, cursor = source.logs(run_id, self._cursor, self.rank or None, LINES)
        if self._cursor and len(lines) > LINES:
            # More has been said than anybody could read: go on with the end of it.
            lines, cursor = source.logs(run_id, None, self.rank or None, LINES)
            self._lines.clear()
            self._next += 1
        self._cursor = cursor
        self._lines.extend(shown.line(one) for one in lines)
        self._next += len(lines)
        return {"rank": self.rank, "first": self._next - len(self._lines), "lines": list(self._lines)}
