"""The experiments that this process knows by name: those it has asked for, and those whose runs are in the folder."""

from __future__ import annotations

from contextlib import suppress

from ranklog.errors import RanklogError
from ranklog.mlflow_api.ids import DEFAULT_ID, DEFAULT_NAME, experiment_id
from ranklog.workspace import Workspace


class Experiments:
    """Names by id. `is_local` says that there are others in the workspace's folder."""

    def __init__(self, workspace: Workspace, *, is_local: bool) -> None:
        self._workspace = workspace
        self._is_local = is_local
        self._names = {DEFAULT_ID: DEFAULT_NAME}

    def add(self, name: str) -> str:
        """Take an experiment for one that is there; gives its id."""
        found = experiment_id(name)
        self._names.setdefault(found, name)
        return found

    def name(self, experiment: str) -> str | None:
        """Give the name of an experiment by its id; None if there is none."""
        if experiment not in self._names:
            with suppress(RanklogError):  # what reads folders may not be installed
                self._look()
        return self._names.get(experiment)

    def names(self) -> list[str]:
        """Give the names of all. Raises UnreachableError."""
        self._look()
        return list(self._names.values())

    def _look(self) -> None:
        if self._is_local:
            for row in self._workspace.source.runs():
                self.add(str(row["experiment"]))
