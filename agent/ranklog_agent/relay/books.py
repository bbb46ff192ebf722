"""The processes of this node for which MLflow's calls are answered: each writes to its own place in the spool."""

from __future__ import annotations

from ranklog import layout, spool
from ranklog.mlflow_api.logbook import Logbook
from ranklog.mlflow_api.spooled import SpooledRuns
from ranklog.run.place import Place
from ranklog_agent.config import Config
from ranklog_agent.relay.calls import Calls

PLACES_MAX = 10_000


class Books:
    """The places by the keys of their processes."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._runs = SpooledRuns(config.spool, config.run_id)
        self._known: dict[str, tuple[Logbook, Calls]] = {}

    def get(self, key: str) -> tuple[Logbook, Calls] | None:
        """Give the place of a process; None if this node has no process of that key."""
        found = self._known.get(key)
        if found is None:
            place = self._place(key)
            if place is None or len(self._known) >= PLACES_MAX:
                return None
            logbook = Logbook(place, self._runs)
            found = self._known[key] = logbook, Calls(logbook, self._config.experiment, is_alone=not self._config.url)
        return found

    def _place(self, key: str) -> Place | None:
        if not layout.is_key(key):
            return None
        try:
            with open(spool.process_path(self._config.spool, key), "rb") as file:
                record = spool.parse_process(file.read(spool.RECORD_BYTES_MAX + 1))
        except (OSError, spool.SpoolError):
            return None
        if record.hostname != self._config.hostname:
            return None
        return Place(self._config.run_id, self._config.spool, key, is_owned=True, rank=record.rank)
