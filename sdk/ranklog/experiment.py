"""An experiment: runs that belong together, under a name."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ranklog import experiment_record
from ranklog.errors import UserError
from ranklog.layout import safe_name
from ranklog.workspace import Workspace

if TYPE_CHECKING:
    from ranklog.run import Run

ACTIVE, ARCHIVED, ALL = "ActiveOnly", "ArchivedOnly", "All"
NAME_CHARACTERS_MAX = 128
LIVE = ("waiting", "notstarted", "running", "finalizing")


class Experiment:
    """The runs of one name in a workspace. There is nothing to be created: its first run makes it."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        _skip_name_validation: bool = False,
        _id: str | None = None,
        _archived_time: datetime | None = None,
        _create_in_cloud: bool = True,
        _experiment_dto: object = None,
        **kwargs: object,
    ) -> None:
        if not name or len(name) > NAME_CHARACTERS_MAX or safe_name(name) != name:
            raise UserError(
                f"{name!r} cannot be an experiment's name: use up to {NAME_CHARACTERS_MAX} letters, digits, '_', '-' "
                "and '.', and do not begin with a dot"
            )
        self._workspace = workspace
        self._name = name

    @property
    def workspace(self) -> Workspace:
        """The workspace that the experiment belongs to."""
        return self._workspace

    @property
    def workspace_object(self) -> Workspace:
        """The same as `workspace`."""
        return self._workspace

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def id(self) -> str:
        """The name: there is only one experiment of a name."""
        return self._name

    # ---- runs -------------------------------------------------------------------------------------------------------

    def start_logging(self, *args: Any, **kwargs: Any) -> Run:
        """Start an interactive run: this process is the run, until `complete()` or its own end.

        Arguments: name=None, run_id=None, outputs="outputs", snapshot_directory=None, display_name=None. Files below
        `outputs` that are changed during the run are kept in it (False: none), and so are those in
        `snapshot_directory`, under `snapshot/`. Raises UserError.
        """
        from ranklog.interactive import start

        return start(self, *args, **kwargs)

    def submit(self, config: Any, tags: Mapping[str, str] | None = None, **kwargs: Any) -> Run:
        """Start what a ScriptRunConfig describes and return at once; with show_output=True follow it to its end.

        Also takes run_id. Raises UserError; with show_output RunFailedError as well.
        """
        from ranklog.script_run import submit

        return submit(self, config, tags, **kwargs)

    def get_runs(
        self,
        type: str | None = None,  # noqa: A002 (azureml's name)
        tags: str | Mapping[str, str] | None = None,
        properties: str | Mapping[str, str] | None = None,
        include_children: bool = False,
    ) -> Iterator[Run]:
        """Give the runs that have these tags (a name, or names and values) and properties, newest first.

        Raises UnreachableError.
        """
        from ranklog.script_run import known

        source = self._workspace.source
        for row in source.runs(self._name):
            run = known(self, row["run_id"], source)
            for one in [run, *(run.get_children(recursive=True) if include_children else ())]:
                is_kind = type is None or one.type == type
                has_tags = not tags or _has(one.get_tags(), tags)
                if is_kind and has_tags and (not properties or _has(one.get_properties(), properties)):
                    yield one

    # ---- what is kept of the experiment itself ----------------------------------------------------------------------

    @property
    def tags(self) -> dict[str, str]:
        """The experiment's tags."""
        return experiment_record.read(self._workspace.root, self._name).tags

    @property
    def archived_time(self) -> datetime | None:
        """When the experiment was archived; None if it is not."""
        return experiment_record.read(self._workspace.root, self._name).archived

    def tag(self, key: str, value: str | None = None) -> None:
        """Add or replace a tag."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, str | None]) -> None:
        """Add or replace tags. Raises UserError."""
        with experiment_record.changing(self._workspace.root, self._name) as record:
            record.tags |= {str(key): "" if value is None else str(value) for key, value in tags.items()}

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Remove tags by their keys. Raises UserError."""
        with experiment_record.changing(self._workspace.root, self._name) as record:
            record.tags = {key: value for key, value in record.tags.items() if key not in tags}

    def archive(self) -> None:
        """Leave the experiment out of lists from now on. Raises UserError."""
        with experiment_record.changing(self._workspace.root, self._name) as record:
            record.archived = record.archived or experiment_record.now()

    def reactivate(self, new_name: str | None = None) -> None:
        """Have an archived experiment in lists again. Raises UserError."""
        if new_name is not None:
            raise UserError("an experiment cannot be renamed: its name is the folder of its runs")
        with experiment_record.changing(self._workspace.root, self._name) as record:
            record.archived = None

    def refresh(self) -> None:
        """Nothing is kept in this object that could be out of date."""

    def get_portal_url(self) -> str:
        """Where the experiment's runs are to be seen."""
        return f"{self._workspace.source.url}/#/experiments/{self._name}"

    @property
    def portal_url(self) -> str:
        """The same as `get_portal_url()`."""
        return self.get_portal_url()

    # ---- all of them ------------------------------------------------------------------------------------------------

    @staticmethod
    def list(
        workspace: Workspace,
        experiment_name: str | None = None,
        view_type: str = ACTIVE,
        tags: str | Mapping[str, str] | None = None,
    ) -> builtins.list[Experiment]:
        """Give the experiments that have runs, by name: `ActiveOnly`, `ArchivedOnly` or `All` of them.

        `tags` is a key, or keys with the values that they must have. Raises UnreachableError.
        """
        names = {run["experiment"] for run in workspace.source.runs(experiment_name)}
        names |= {name for name in experiment_record.names(workspace.root) if experiment_name in (None, name)}
        found = []
        for name in sorted(names):
            record = experiment_record.read(workspace.root, name)
            is_shown = view_type == ALL or (record.archived is None) == (view_type == ACTIVE)
            if is_shown and _has(record.tags, tags):
                found.append(Experiment(workspace, name, _skip_name_validation=True))
        return found

    @staticmethod
    def delete(workspace: Workspace, experiment_id: str) -> None:
        """Delete an experiment with all its runs, for ever. Raises UserError if one of them is still going on."""
        live = [run["run_id"] for run in workspace.source.runs(experiment_id) if run["state"] in LIVE]
        if live:
            raise UserError(f"experiment {experiment_id} cannot be deleted: run {live[0]} is still going on")
        experiment_record.delete(workspace.root, Experiment(workspace, experiment_id).name)

    @staticmethod
    def from_directory(path: str, auth: object = None) -> Experiment:
        """Give the experiment that is named after a folder, in the workspace configured there."""
        from os.path import abspath, basename

        return Experiment(Workspace.from_config(path), basename(abspath(path)))

    def __repr__(self) -> str:
        """As azureml has it."""
        return f"Experiment(Name: {self._name},\nWorkspace: {self._workspace.name})"


def _has(known: Mapping[str, Any], wanted: str | Mapping[str, str] | None) -> bool:
    """Whether there is a name, or are all names with these values."""
    if not wanted:
        return True
    return wanted in known if isinstance(wanted, str) else all(known.get(key) == value for key, value in wanted.items())
