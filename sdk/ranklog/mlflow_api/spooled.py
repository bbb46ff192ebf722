"""The runs of a spool as MLflow sees them, kept up to date by reading what is new in its files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from ranklog.mlflow_api import known
from ranklog.mlflow_api.ids import mlflow_run_id
from ranklog.mlflow_api.known import Known
from ranklog.mlflow_api.metrics import Metric
from ranklog.points import reading

SUFFIX = ".jsonl"
PIECE_BYTES = 4 << 20


class SpooledRuns:
    """The run of a spool and its child runs, by what the processes of this node have logged."""

    def __init__(self, folder: str, run_id: str) -> None:
        self.root = Known(run_id)
        self._folder = os.path.join(folder, "metrics")
        self._runs = {run_id: self.root}
        self._by_mlflow_id = {mlflow_run_id(run_id): self.root}
        self._files: dict[str, _File] = {}

    def refresh(self) -> None:
        """Read what has been written since."""
        for name in self._names():
            file = self._files.setdefault(name, _File(os.path.join(self._folder, name)))
            for line in file.new_lines():
                one = self._of(line)
                ordinals = file.ordinals.setdefault(one.run_id, {})
                one.take(line, ordinals)
                child = line.get("child")
                if isinstance(child, str):
                    self._add(child).parent = one.run_id

    def find(self, mlflow_id: str) -> Known | None:
        """Give a run by MLflow's id, as it was at the last `refresh`."""
        return self._by_mlflow_id.get(mlflow_id)

    def get(self, run_id: str) -> Known:
        """Give a run by its own id, as it was at the last `refresh`."""
        return self._add(run_id)

    def history(self, run_id: str, key: str) -> list[Metric]:
        """Give all values of a metric in MLflow's order: time, step, value; each once."""
        wanted = None if run_id == self.root.run_id else run_id
        found: set[Metric] = set()
        for name in self._names():
            ordinals: dict[str, int] = {}
            for line in _File(os.path.join(self._folder, name)).new_lines():
                if line.get("r") == wanted:
                    found.update(one for one in known.values(line, ordinals) if one.key == key)
        return sorted(found, key=lambda one: (one.timestamp, one.step, one.value))

    def _of(self, line: reading.Line) -> Known:
        run_id = line.get("r")
        return self._add(run_id) if isinstance(run_id, str) else self.root

    def _add(self, run_id: str) -> Known:
        one = self._runs.get(run_id)
        if one is None:
            one = self._runs[run_id] = self._by_mlflow_id[mlflow_run_id(run_id)] = Known(run_id)
        return one

    def _names(self) -> list[str]:
        try:
            names = sorted(os.listdir(self._folder))
        except OSError:
            return []
        return [name for name in names if name.endswith(SUFFIX) and not name.startswith(".")]


class _File:
    """A file of points, read as far as it has grown."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0
        self.ordinals: dict[str, dict[str, int]] = {}
        """By run and metric."""

    def new_lines(self) -> Iterator[reading.Line]:
        with suppress(OSError):
            if os.stat(self._path).st_size <= self._offset:
                return
            with open(self._path, "rb") as file:
                while True:
                    file.seek(self._offset)
                    piece = file.read(PIECE_BYTES)
                    end = piece.rfind(b"\n") + 1
                    if not end and len(piece) == PIECE_BYTES:  # a line that is longer than a piece
                        piece += file.read(reading.LINE_BYTES_MAX)
                        end = piece.rfind(b"\n") + 1
                    if not end and len(piece) <= reading.LINE_BYTES_MAX:
                        return
                    end = end or len(piece)  # no line is so long
                    self._offset += end
                    yield from reading.lines(piece[:end])
