"""What every part of class Run stands on: which run it is, where it writes, whence it is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ranklog.errors import UserError
from ranklog.identity import setting
from ranklog.run.family_names import files_prefix, root_of
from ranklog.run.joining import join
from ranklog.run.place import Place
from ranklog.source.protocol import Source

if TYPE_CHECKING:
    from ranklog.experiment import Experiment

DEFAULT_EXPERIMENT = "default"


class Base:
    """A run, or a child run.

    It is written to if this process has a place in its spool: `place`, or a new one in the folder `spool` (under the
    name `key`, if one has been made for it). It is read from `source`; without one from the spool, else from where the
    experiment's workspace reads its runs.
    """

    def __init__(
        self,
        experiment: Experiment | None,
        run_id: str,
        outputs: str | None = None,
        *,
        spool: str | None = None,
        key: str | None = None,
        source: Source | None = None,
        place: Place | None = None,
        **kwargs: object,
    ) -> None:
        del kwargs  # what azureml hands on to its service
        if place is None and spool is not None:
            root = root_of(run_id)
            place = Place(root, spool, key, is_owned=False) if key else join(root, spool, is_owned=False)
            place.log_here()
        self._run_id = run_id
        self._root = root_of(run_id) if place is None else place.run_id
        self._child = None if run_id == self._root else run_id
        """The id, if it is a child run's."""
        self._outputs = outputs
        self._place = place
        self._known_experiment = experiment
        self._known_source = source

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run_id

    @property
    def experiment(self) -> Experiment:
        """The experiment that the run belongs to."""
        if self._known_experiment is None:
            from ranklog.experiment import Experiment
            from ranklog.workspace import Workspace

            name = setting(os.environ, "RANKLOG_EXPERIMENT") or DEFAULT_EXPERIMENT
            self._known_experiment = Experiment(Workspace.from_config(), name)
        return self._known_experiment

    @property
    def _writing(self) -> Place:
        """Raises UserError if nothing can be written to this run from here."""
        if self._place is None:
            raise UserError(
                f"run {self._run_id} can only be read here: it is written to by its own processes (Run.get_context()) "
                "and by who started it (Experiment.start_logging())"
            )
        return self._place

    @property
    def _source(self) -> Source:
        if self._known_source is None:
            if self._place is not None:
                from ranklog.source.spool import SpoolSource

                self._known_source = SpoolSource(self._place.folder, self._place.run_id)
            else:
                self._known_source = self.experiment.workspace.source
        return self._known_source

    @property
    def _prefix(self) -> str:
        """Where in the run folder this run's files are."""
        return files_prefix(self._child)

    def _facts(self) -> dict[str, Any]:
        """What is known of the run, as docs/reference/http.md has it."""
        return self._source.run(self._run_id)

    def _tell(self, fields: Mapping[str, object]) -> None:
        self._writing.tell(fields, run=self._child)
