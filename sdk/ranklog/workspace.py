"""A workspace: where runs are kept and read. It stands where Azure ML's workspace stands in a script."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ranklog.errors import UserError
from ranklog.identity import setting
from ranklog.source.choose import choose, root_folder
from ranklog.source.protocol import Source

if TYPE_CHECKING:
    from ranklog.experiment import Experiment
    from ranklog.run import Run

FOLDERS = (".ranklog", ".azureml", "aml_config", "")
"""Where a configuration file may be, in the folder where the search begins or in one above; the first is ours."""
FILES = ("config.json", "project.json")
AZURE_KEYS = ("subscription_id", "resource_group", "workspace_name")
OWN_KEYS = ("url", "root", "token_file", "collector")
MLFLOW_SCHEME = "ranklog://"
DEFAULT_NAME = "local"


class Workspace:
    """A collector at `url`, or the run folders in `root`; else what RANKLOG_URL or RANKLOG_ROOT names.

    `token_file` holds the collector's token (else RANKLOG_TOKEN); `collector` is HOST:PORT where it takes in runs (else
    RANKLOG_COLLECTOR). The other arguments are Azure ML's: they name the workspace and are of no consequence.
    """

    name: str
    subscription_id: str | None
    resource_group: str | None
    location: str | None
    sku: str
    tags: dict[str, str]

    def __init__(
        self,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        workspace_name: str | None = None,
        auth: object = None,
        _location: str | None = None,
        _disable_service_check: bool = False,
        _workspace_id: str | None = None,
        sku: str = "basic",
        tags: Mapping[str, str] | None = None,
        _cloud: str = "AzureCloud",
        *,
        url: str | None = None,
        root: str | None = None,
        token_file: str | None = None,
        collector: str | None = None,
    ) -> None:
        self.name = workspace_name or DEFAULT_NAME
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.location = _location
        self.sku = sku
        self.tags = dict(tags or {})
        self._url = url
        self._root = root
        self._token_file = token_file
        self._collector = collector

    @staticmethod
    def from_config(
        path: str | os.PathLike[str] | None = None,
        auth: object = None,
        _logger: object = None,
        _file_name: str | None = None,
    ) -> Workspace:
        """Read a configuration file: `path`, or the nearest one in or above the folder `path` (default: here).

        Azure ML's files are taken as they are; ours say `url`, `root`, `token_file` or `collector`. Where no path is
        given and there is no file, the environment decides alone. Raises UserError.
        """
        found = next(_found(os.path.abspath(path or "."), (_file_name,) if _file_name else FILES), None)
        if found is None:
            if path is not None or _file_name is not None:
                raise UserError(f"there is no workspace configuration in {os.path.abspath(path or '.')} or above it")
            return Workspace()
        fields = _read(found)
        folder = os.path.dirname(found)
        # .ranklog/config.json speaks of the folder that it configures.
        base = os.path.dirname(folder) if os.path.basename(folder) in FOLDERS else folder
        known: dict[str, Any] = {key: fields[key] for key in (*AZURE_KEYS, *OWN_KEYS) if key in fields}
        known |= {key: os.path.join(base, known[key]) for key in ("root", "token_file") if key in known}
        return Workspace(**known)

    @staticmethod
    def get(
        name: str,
        auth: object = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str | None = None,
        cloud: str = "AzureCloud",
        id: str | None = None,  # noqa: A002 (azureml's name)
    ) -> Workspace:
        """Give the workspace that the environment describes, under a name."""
        return Workspace(subscription_id, resource_group, name, auth, location, _workspace_id=id, _cloud=cloud)

    def write_config(self, path: str | os.PathLike[str] | None = None, file_name: str | None = None) -> None:
        """Write `.ranklog/config.json`, or another name, in the folder `path` (default: here). Raises UserError."""
        fields = {
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "workspace_name": self.name,
            "url": self._url,
            "root": self._root and os.path.abspath(self._root),
            "token_file": self._token_file and os.path.abspath(self._token_file),
            "collector": self._collector,
        }
        target = os.path.join(path or ".", FOLDERS[0], file_name or FILES[0])
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8") as file:
                json.dump({name: value for name, value in fields.items() if value is not None}, file, indent=4)
        except OSError as error:
            raise UserError(f"{target} cannot be written: {error.strerror}") from error

    @cached_property
    def source(self) -> Source:
        """Where runs are read from. Raises UnreachableError, UserError."""
        return choose(os.environ, url=self._url, root=self._root, token=self.token)

    @property
    def root(self) -> str:
        """The folder in which runs that are started here are kept if no collector takes them."""
        return os.path.abspath(self._root) if self._root else root_folder(os.environ)

    @property
    def collector(self) -> str | None:
        """HOST:PORT of the collector that takes the runs that are started here, if there is one."""
        return self._collector or setting(os.environ, "RANKLOG_COLLECTOR")

    @property
    def token(self) -> str | None:
        """What the collector is shown. Raises UserError if the token file cannot be read."""
        if self._token_file is None:
            return setting(os.environ, "RANKLOG_TOKEN")
        try:
            with open(self._token_file, encoding="utf-8") as file:
                return file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"the token file {self._token_file} cannot be read: {error}") from error

    @property
    def experiments(self) -> dict[str, Experiment]:
        """The experiments by their names."""
        from ranklog.experiment import Experiment

        return {experiment.name: experiment for experiment in Experiment.list(self)}

    def get_run(self, run_id: str) -> Run:
        """Give one run. Raises RunNotFoundError, UnreachableError."""
        from ranklog.experiment import Experiment
        from ranklog.script_run import known

        facts = self.source.run(run_id)
        return known(Experiment(self, facts["experiment"], _skip_name_validation=True), facts["run_id"], self.source)

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> str:
        """The address that MLflow is to be told by `mlflow.set_tracking_uri`.

        Inside a job it is the job's run, through the spool; elsewhere the collector, else the folder of runs.
        """
        from ranklog.run.joining import is_in_job

        if is_in_job(os.environ):
            return MLFLOW_SCHEME
        url = self._url or (None if self._root else setting(os.environ, "RANKLOG_URL"))
        return url.rstrip("/") if url else MLFLOW_SCHEME + quote(self.root)

    def get_details(self) -> dict[str, Any]:
        """What is known of the workspace, in azureml's words and ours."""
        return {
            "id": f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}/workspaces/{self.name}",
            "name": self.name,
            "friendlyName": self.name,
            "location": self.location,
            "sku": self.sku,
            "tags": self.tags,
            "url": self.source.url,
            "root": self.root,
            "collector": self.collector,
        }

    def __repr__(self) -> str:
        """As azureml has it."""
        return f"Workspace.create(name={self.name!r}, url={self._url!r}, root={self._root!r})"


def _found(path: str, names: tuple[str, ...]) -> Iterator[str]:
    """Configuration files in the order in which they count."""
    if os.path.isfile(path):
        yield path
        return
    for folder in FOLDERS:
        for name in names:
            at, below = path, ""
            while at != below:
                candidate = os.path.join(at, folder, name)
                if os.path.isfile(candidate) and (folder or _is_configuration(candidate)):
                    yield candidate
                at, below = os.path.dirname(at), at


def _is_configuration(path: str) -> bool:
    """Whether a file of a name that many programs use is about a workspace."""
    try:
        return not _read(path).keys().isdisjoint((*AZURE_KEYS, "url", "collector"))
    except UserError:
        return False


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
    except (OSError, ValueError) as error:
        raise UserError(f"the workspace configuration {path} cannot be read: {error}") from error
    wrong = not isinstance(fields, dict) or any(
        not isinstance(fields.get(key, ""), str) for key in (*AZURE_KEYS, *OWN_KEYS)
    )
    if wrong:
        raise UserError(f"the workspace configuration {path} is no JSON object of texts")
    return dict(fields)
