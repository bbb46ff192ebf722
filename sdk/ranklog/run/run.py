"""Class Run."""

from __future__ import annotations

import builtins
import os
from typing import TYPE_CHECKING, Any

from ranklog.errors import RunEnvironmentError
from ranklog.run.joining import here, is_in_job
from ranklog.run.life import Life
from ranklog.run.measures import Measures

if TYPE_CHECKING:
    from ranklog.experiment import Experiment
    from ranklog.workspace import Workspace


class Run(Measures, Life):
    """A run: what a script logs to, and what it is read from afterwards. The members are azureml-core's."""

    def __repr__(self) -> str:
        """The id."""
        return f"Run({self._run_id})"

    def _repr_html_(self) -> str:
        """What a notebook shows of it: a table of a row, as azureml's."""
        from ranklog.notebook.card import card

        return card(self)

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: object) -> Run:
        """The run around this process: that of its job, or a run of its own that is kept in the spool here.

        Raises RunEnvironmentError if there is none and `allow_offline` is not true.
        """
        del used_for_context_manager, kwargs
        if not allow_offline and not is_in_job(os.environ):
            raise RunEnvironmentError(
                "there is no run around this process: start it by `ranklog run` or a launcher, or set RANKLOG_RUN_ID"
            )
        place = here()
        return cls(None, place.run_id, place=place)

    @classmethod
    def get_submitted_run(cls, **kwargs: object) -> Run:
        """The run around this process (an old name of get_context)."""
        return cls.get_context(**kwargs)  # type: ignore[arg-type]

    @staticmethod
    def get(workspace: Workspace, run_id: str) -> Run:
        """A run of a workspace by its id. Raises RunNotFoundError."""
        return workspace.get_run(run_id)

    @staticmethod
    def list(
        experiment: Experiment,
        type: str | None = None,  # noqa: A002 (azureml's name)
        tags: Any = None,
        properties: Any = None,
        status: str | None = None,
        include_children: bool = False,
        _rehydrate_runs: bool = True,
    ) -> builtins.list[Run]:
        """The runs of an experiment that have these tags, properties and status, newest first."""
        del _rehydrate_runs
        runs = experiment.get_runs(type=type, tags=tags, properties=properties, include_children=include_children)
        return [run for run in runs if status is None or run.get_status() == status]

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> dict[str, Any]:
        """Wait for the run's end, and show meanwhile what its ranks say. Raises RunFailedError if it fails."""
        from ranklog.streaming import wait

        return wait(self, show_output, wait_post_processing=wait_post_processing, raise_on_error=raise_on_error)

    def submit_child(self, config: Any, tags: Any = None, **kwargs: Any) -> Run:
        """Submit a script, tagged with the id of this run as its parent."""
        return self.experiment.submit(config, tags={**(tags or {}), "parent_run_id": self.id}, **kwargs)

    def clean(self) -> builtins.list[str]:
        """Remove what the run left on its target: nothing, since it is run in place."""
        return []
