"""The runs that this process logs to: its job's, and those that it has begun itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import RLock
from typing import NamedTuple
from uuid import uuid4

from ranklog.errors import UserError
from ranklog.experiment import Experiment
from ranklog.identity import setting
from ranklog.interactive import InteractiveRun
from ranklog.interactive import start as start_interactive
from ranklog.mlflow_api.errors import invalid
from ranklog.mlflow_api.ids import DEFAULT_FOLDER, experiment_folder, mlflow_run_id
from ranklog.mlflow_api.known import Known
from ranklog.mlflow_api.lines import PARENT_TAG
from ranklog.mlflow_api.logbook import Logbook
from ranklog.mlflow_api.spooled import SpooledRuns
from ranklog.run.family_names import root_of
from ranklog.run.joining import here, is_in_job
from ranklog.run.place import Place
from ranklog.workspace import Workspace


class Own(NamedTuple):
    """A run that this process writes, by its own id."""

    logbook: Logbook
    run_id: str


class Owned:
    """Where what this process logs is written, by MLflow's run ids. `workspace` is where its own runs belong."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._owns: dict[str, Own] = {}
        self._experiments: dict[str, str] = {}
        self._sessions: dict[str, InteractiveRun] = {}
        self._job: Logbook | None = None
        self._lock = RLock()

    @property
    def is_in_job(self) -> bool:
        """Whether this process belongs to a job."""
        return is_in_job(os.environ)

    def find(self, mlflow_id: str) -> Own | None:
        """Give a run by MLflow's id; None if it is not this process's to write."""
        found = self._owns.get(mlflow_id)
        if found is not None:
            return found
        with self._lock:
            for logbook in self._logbooks():
                known = logbook.find(mlflow_id)
                if known is not None:
                    return self._remember(logbook, known)
        return None

    def begin(self, experiment: str, tags: Mapping[str, str], name: str | None) -> Own:
        """Begin a run: a job's, a child run of one of these, or one of its own in an experiment. Raises MlflowError."""
        with self._lock:
            logbook = self._of_parent(tags.get(PARENT_TAG)) or self._of_job() or self._interactive(experiment)
            return self._remember(logbook, logbook.create(tags, name))

    def experiment(self, run_id: str) -> str:
        """Give the experiment of a run by the run's own id."""
        told = self._experiments.get(root_of(run_id))
        return told or setting(os.environ, "RANKLOG_EXPERIMENT") or DEFAULT_FOLDER

    def end(self, run: Known) -> None:
        """Let an interactive run that has ended be brought home, without waiting for that."""
        session = self._sessions.pop(run.run_id, None)
        if session is not None:
            session.leave(run.state)

    def _logbooks(self) -> list[Logbook]:
        job = self._of_job()
        return list(
            {id(one): one for one in (*([job] if job else []), *(own.logbook for own in self._owns.values()))}.values()
        )

    def _remember(self, logbook: Logbook, known: Known) -> Own:
        found = self._owns[mlflow_run_id(known.run_id)] = Own(logbook, known.run_id)
        return found

    def _of_parent(self, mlflow_id: str | None) -> Logbook | None:
        found = None if mlflow_id is None else self.find(mlflow_id)
        return None if found is None else found.logbook

    def _of_job(self) -> Logbook | None:
        if self._job is None and is_in_job(os.environ):
            self._job = _logbook(here())
        return self._job

    def _interactive(self, experiment: str) -> Logbook:
        run_id = uuid4().hex
        try:
            run = start_interactive(
                Experiment(self._workspace, experiment_folder(experiment)), run_id=run_id, outputs=False
            )
        except UserError as error:
            raise invalid(str(error)) from error
        self._experiments[run_id] = experiment_folder(experiment)
        self._sessions[run_id] = run
        return _logbook(run.place)


def _logbook(place: Place) -> Logbook:
    return Logbook(place, SpooledRuns(place.folder, place.run_id))
