"""Asks agents for the stacks of a run's processes: when somebody wants them, and when the job has long been silent."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from ranklog_collector.core import journal
from ranklog_collector.core.layout import REQUESTS, StreamKey
from ranklog_collector.core.processes import Processes
from ranklog_collector.core.requests import REQUEST_BYTES_MAX, StackRequest, id_of, parse
from ranklog_collector.core.silence import OBSERVED, SPEAKING, Silence
from ranklog_collector.errors import StoreError
from ranklog_collector.store.api import Store

SEEN_MAX = 1000


class Asked(Protocol):
    """An agent's session, as far as it is asked."""

    def dump_stacks(self, request: StackRequest, processes: Iterable[str]) -> None:
        """Ask for the stacks of the processes of these keys; without any of all that live."""


class Asking:
    """Asks on behalf of one run. All but `taken` is called from the event loop."""

    def __init__(
        self,
        store: Store,
        processes: Processes,
        sessions: Mapping[str, Asked],
        record: Callable[[journal.Entry], None],
        silence_s: float,
    ) -> None:
        self._store = store
        self._processes = processes
        self._sessions = sessions
        self._record = record
        self._silence = Silence(round(silence_s * 1e9))
        self._seen: dict[str, None] = {}
        """Requests taken already, should it be impossible to remove them."""

    def ask(self, request: StackRequest, why: str = "asked") -> None:
        """Have the agents dump the stacks of their living processes; `why` is asked or silence."""
        nodes = []
        for node_id, keys in self._living(request.ranks).items():
            session = self._sessions.get(node_id)
            if session is not None:
                session.dump_stacks(request, () if request.ranks is None else keys)
                nodes.append(node_id)
        self._record(journal.Stacks(request.id, tuple(nodes), why, time.time_ns()))

    # ---- by files in the run folder: whoever may write there may ask ------------------------------------------------

    def taken(self) -> list[StackRequest]:
        """In a thread: take the requests that have come; each is given once, and its file removed."""
        with suppress(StoreError):
            return [request for path in self._store.list(REQUESTS) if (request := self._take(path)) is not None]
        return []

    def _take(self, path: str) -> StackRequest | None:
        id_ = id_of(path.rpartition("/")[2])
        if id_ is None or id_ in self._seen:
            return None
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen[id_] = None
        request = parse(id_, self._store.read(path, 0, REQUEST_BYTES_MAX))
        with suppress(StoreError):
            self._store.remove(path)
        return request

    # ---- by silence -------------------------------------------------------------------------------------------------

    def heard(self, key: StreamKey | None) -> None:
        """Bytes of a stream have come, or news of a process."""
        if key is None or (key.role in SPEAKING and key.name != OBSERVED):
            self._silence.broken(time.monotonic_ns())

    def tick(self) -> None:
        """Time has passed."""
        if self._silence.is_news(time.monotonic_ns()) and self._living(None):
            self.ask(StackRequest(secrets.token_hex(8), is_gentle=True), "silence")

    def _living(self, ranks: frozenset[int] | None) -> dict[str, list[str]]:
        """The keys of the processes that live, by node; of all, or of some ranks."""
        found: dict[str, list[str]] = {}
        for process in self._processes:
            is_meant = not process.is_launcher and (ranks is None or process.rank in ranks)
            if is_meant and not process.lost and self._processes.outcome(process) is None:
                found.setdefault(process.node, []).append(process.key)
        return found
