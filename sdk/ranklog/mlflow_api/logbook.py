"""What a process logs to its run by MLflow's calls: checked as MLflow does it, and written to its place in the spool.

Nothing here waits for a disk that is full or a network that is gone; MlflowError comes of calls that make no sense.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from threading import RLock
from time import time_ns
from typing import Any

from ranklog.errors import UserError
from ranklog.mlflow_api import limits, lines
from ranklog.mlflow_api.errors import MISSING, MlflowError, invalid
from ranklog.mlflow_api.ids import artifacts_prefix
from ranklog.mlflow_api.known import Known
from ranklog.mlflow_api.metrics import Logged
from ranklog.mlflow_api.spooled import SpooledRuns
from ranklog.mlflow_api.statuses import STATES
from ranklog.points import line
from ranklog.run.family_names import child_id
from ranklog.run.place import Place

EARLIER_BYTES = 1 << 20
"""Far more than clients may be waiting for at a time."""


class Logbook:
    """A process's place in a run. `runs` may be shared by the places of one spool."""

    def __init__(self, place: Place, runs: SpooledRuns) -> None:
        self.place = place
        self.runs = runs
        self._is_taken = False
        """Whether somebody has begun the run itself: who begins another one then, begins a child run."""
        self._lock = RLock()
        self._earlier: frozenset[bytes] | None = None
        """Lines of an earlier life of whoever writes here, as soon as they are known."""

    # ---- runs -------------------------------------------------------------------------------------------------------

    def create(self, tags: Mapping[str, str], name: str | None) -> Known:
        """Begin a run: this process's run if nobody has begun it yet, else a child run of it, or of the tagged parent.

        Raises MlflowError.
        """
        parent_id = tags.get(lines.PARENT_TAG)
        with self._lock:
            self.runs.refresh()
            parent = None if parent_id is None else self.runs.find(parent_id)
            if parent is None and not self._is_taken:
                self._is_taken = True
                run_id, child = self.runs.root.run_id, None
            else:
                above = parent or self.runs.root
                run_id = child = child_id(above.run_id)
                self._write({"child": child}, self._child(above.run_id))
                self._write({"status": "running"}, child)
        said = lines.of_tags({**tags, lines.NAME_TAG: name} if name else tags)
        if said:
            self._write(said, child)
        return self.known(run_id)

    def find(self, mlflow_id: str) -> Known | None:
        """Give the run of that id, with all that is known of it now; None if it is none of this place."""
        with self._lock:
            self.runs.refresh()
            return self.runs.find(mlflow_id)

    def known(self, run_id: str) -> Known:
        """Give a run of this place by its own id, with all that is known of it now."""
        with self._lock:
            self.runs.refresh()
            return self.runs.get(run_id)

    def update(self, run_id: str, status: str | None, name: str | None) -> Known:
        """Say how a run is doing, and what it is called. The state of an owned run is its launcher's to tell."""
        child = self._child(run_id)
        state = STATES.get(status or "")
        if name:
            self._write({"set": {"display_name": name}}, child)
        if child is None and state is not None:
            self._is_taken = True
        if state is not None and not (child is None and self.place.is_owned):
            self._write({"status": state}, child)
        return self.known(run_id)

    # ---- values -----------------------------------------------------------------------------------------------------

    def log_metric(self, run_id: str, one: Logged) -> None:
        """Log a value of a metric that has been checked."""
        key, value, timestamp, step = one
        text = line.value(timestamp * lines.NS_PER_MS, key, value, step, None, self._child(run_id))
        self._append(text)

    def log(self, run_id: str, metrics: Sequence[Logged], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Log a batch that has been checked, all or nothing. Raises MlflowError if it changes a parameter."""
        child = self._child(run_id)
        if params:
            self._log_params(run_id, params, child)
        for one in lines.of_metrics(metrics):
            self._append(line.entry(one["t"], one, run=child))
        if said := lines.of_tags(tags):
            self._write(said, child)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag away. Raises MlflowError if there is none of that name."""
        if key not in self.known(run_id).tags:
            raise MlflowError(MISSING, f"No tag with name: {key} in run with id {run_id}")
        self._write({"tag": {key: None}}, self._child(run_id))

    def log_inputs(self, run_id: str, datasets: Sequence[Mapping[str, Any]]) -> None:
        """Say which datasets a run reads: `name, digest, source_type, source, schema, profile, tags`."""
        if datasets:
            self._write({"inputs": [dict(dataset) for dataset in datasets]}, self._child(run_id))

    def prefix(self, run_id: str) -> str:
        """Where in the run folder a run's artifacts are."""
        return artifacts_prefix(run_id, self.place.run_id)

    def stored(self, run_id: str, path: str) -> None:
        """Say that a file was stored, under that path below `prefix`."""
        self._write({"artifact": self.prefix(run_id) + path}, self._child(run_id))

    def keep(self, run_id: str, path: str, source: Any) -> None:
        """Store a file: from a path or a stream. Raises MlflowError if it cannot be one of a run."""
        try:
            if self.place.keep(self.prefix(run_id) + path, source):
                self.stored(run_id, path)
        except UserError as error:
            raise invalid(f"Invalid path: {error}") from None

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _log_params(self, run_id: str, params: Mapping[str, str], child: str | None) -> None:
        with self._lock:
            known = self.known(run_id).params
            limits.check_params(params, known, run_id)
            new = {key: value for key, value in params.items() if key not in known}
            if new:
                self._write({"param": new}, child)

    def _append(self, text: bytes) -> None:
        """Write a line of values, unless an earlier life has written it and was killed before it could say so.

        A client that repeats its request says the same to the millisecond; to MLflow that is the same value.
        """
        if self._earlier is None:
            self._earlier = _last_lines(self.place.points.path)
        if text not in self._earlier:
            self.place.points.append(text, time_ns())

    def _child(self, run_id: str) -> str | None:
        return None if run_id == self.place.run_id else run_id

    def _write(self, fields: Mapping[str, object], child: str | None) -> None:
        self.place.tell(fields, run=child)


def _last_lines(path: str) -> frozenset[bytes]:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - EARLIER_BYTES))
            return frozenset(file.read().splitlines(keepends=True))
    except OSError:
        return frozenset()
