"""What is known of a run: the part of class Run with tags, properties, names, status and metrics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ranklog.errors import UserError
from ranklog.run import shapes
from ranklog.run.artifact import Artifact
from ranklog.run.base import Base
from ranklog.run.family_names import files_prefix
from ranklog.run.own_log import warn

STATUSES = {
    "waiting": "NotStarted",
    "notstarted": "NotStarted",
    "running": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "canceled": "Canceled",
    "interrupted": "NotResponding",
    "lost": "NotResponding",
}
"""Azure ML's words for ours."""
LOG_FOLDERS = ("azureml-logs/", "logs/", "overall/", "user_logs/", "system_logs/")
NO_NODES = ("outputs", "children", ".ranklog")


class Facts(Base):
    """Each call reads anew, except where nothing can have changed."""

    # ---- tags and properties ----------------------------------------------------------------------------------------

    def tag(self, key: str, value: str | None = None) -> None:
        """Tag the run; a tag may do without a value, and may be set again."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object] | str) -> None:
        """Set several tags, or one without a value; others stay."""
        pairs = {tags: None} if isinstance(tags, str) else dict(tags)
        # In a line, null takes a tag away.
        self._tell({"tag": {str(name): "" if value is None else str(value) for name, value in pairs.items()}})

    def remove_tags(self, tags: Iterable[str] | str) -> None:
        """Take tags away."""
        self._tell({"tag": {str(name): None for name in ([tags] if isinstance(tags, str) else tags)}})

    def get_tags(self) -> dict[str, str | None]:
        """The tags; None is the value of those without one."""
        return {name: value or None for name, value in (self._facts().get("tags") or {}).items()}

    @property
    def tags(self) -> dict[str, str | None]:
        """The tags."""
        return self.get_tags()

    def add_properties(self, properties: Mapping[str, object]) -> None:
        """Add properties. They are written once: one that is there already stays as it is, after a warning."""
        known = self.get_properties()
        new = {str(name): str(value) for name, value in properties.items()}
        if changed := [name for name, value in new.items() if known.get(name, value) != value]:
            warn(f"properties are written once; these stay as they are: {', '.join(changed)}")
        if new := {name: value for name, value in new.items() if name not in known}:
            self._tell({"property": new})

    def get_properties(self) -> dict[str, str]:
        """The properties."""
        return dict(self._facts().get("properties") or {})

    @property
    def properties(self) -> dict[str, str]:
        """The properties."""
        return self.get_properties()

    # ---- names ------------------------------------------------------------------------------------------------------

    @property
    def display_name(self) -> str:
        """What people call the run; its id if they call it nothing."""
        return str(self._facts().get("display_name") or self._run_id)

    @display_name.setter
    def display_name(self, display_name: str) -> None:
        self._tell({"set": {"display_name": str(display_name)}})

    @property
    def name(self) -> str | None:
        """The display name, None if there is none."""
        return self._facts().get("display_name")

    @property
    def description(self) -> str | None:
        """What people say of the run."""
        return self._facts().get("description")

    @description.setter
    def description(self, description: str) -> None:
        self._tell({"set": {"description": str(description)}})

    @property
    def number(self) -> int:
        """The run's place in its experiment, by the time of its start, from 1."""
        ids = [run["run_id"] for run in self._source.runs(self._facts().get("experiment"))]
        return len(ids) - ids.index(self._root) if self._root in ids else 1

    @property
    def type(self) -> str | None:
        """`azureml.scriptrun`; None for an interactive run."""
        is_interactive = self._place is not None and not self._place.is_owned
        return None if is_interactive else "azureml.scriptrun"

    # ---- status -----------------------------------------------------------------------------------------------------

    def get_status(self) -> str:
        """`NotStarted`, `Running`, `Finalizing`, `Completed`, `Failed`, `Canceled`, `NotResponding` if nobody tells."""
        facts = self._facts()
        state = str(facts.get("state"))
        if state == "failed" and facts.get("asked") == "time-limit":
            return "Canceled"  # Azure ML's word for a run that was longer than it may be
        return STATUSES.get(state, state.capitalize())

    @property
    def status(self) -> str:
        """The status."""
        return self.get_status()

    def get_detailed_status(self) -> dict[str, str | None]:
        """The status, and what there is to say of it."""
        return {"status": self.get_status(), "details": self._facts().get("error")}

    def get_details(self) -> dict[str, Any]:
        """All that is known, under azureml's names; `logFiles` are the addresses of the log files."""
        facts = self._facts()
        details: dict[str, Any] = {
            "runId": self._run_id,
            "target": "local",
            "status": self.get_status(),
            "startTimeUtc": facts.get("started"),
            "endTimeUtc": facts.get("ended"),
            "properties": facts.get("properties") or {},
            "inputDatasets": [],
            "outputDatasets": [],
            "runDefinition": {},
            "logFiles": {name: self._file_url(name, facts) for name in self._log_names()},
            "submittedBy": (facts.get("properties") or {}).get("user"),
        }
        if facts.get("ended") is None:
            del details["endTimeUtc"]
        if facts.get("error"):
            details["error"] = {"error": {"code": "UserError", "message": facts["error"]}}
        return details

    def get_details_with_logs(self) -> dict[str, Any]:
        """The details, with the contents of the log files."""
        contents = {name: self._content(name).decode(errors="replace") for name in self._log_names()}
        return {**self.get_details(), "logFiles": contents}

    def get_all_logs(self, destination: str | None = None) -> list[str]:
        """Copy all log files to a folder (default: `assets/<run id>`), and tell where they are now."""
        folder = os.fspath(destination) if destination else os.path.join("assets", self._run_id)
        if os.path.exists(folder) and not os.path.isdir(folder):
            raise UserError(f"{folder} is no folder")
        copied = []
        for name in self._log_names():
            copied.append(os.path.join(folder, name))
            os.makedirs(os.path.dirname(copied[-1]), exist_ok=True)
            with open(copied[-1], "wb") as file:
                file.write(self._content(name))
        return copied

    def get_portal_url(self) -> str:
        """Where people find the run."""
        if self._source.url.startswith("http"):
            return f"{self._source.url}/#/runs/{self._run_id}"
        return f"file://{self._facts()['path']}"

    @property
    def portal_url(self) -> str:
        """Where people find the run."""
        return self.get_portal_url()

    # ---- metrics ----------------------------------------------------------------------------------------------------

    def get_metrics(
        self,
        name: str | None = None,
        recursive: bool = False,
        run_type: str | None = None,
        populate: bool = False,
        *,
        rank: int | None = None,
    ) -> dict[str, Any]:
        """What was logged, in the order of time: of all processes, or of one `rank`.

        A value that was logged once comes alone, several as a list; rows and tables are dicts of columns. Images and
        documents are addresses, or Artifact objects if `populate`. With `recursive` the answer has an entry for the
        run and each run below it, by id (`run_type` picks runs of that type).
        """
        load = self._artifact if populate else _address
        if not recursive:
            return shapes.metrics(self._source.records(self._run_id, name, rank), self._run_id, load)
        ids = [each for each in self._ids_below() if run_type in (None, self.type)]
        return {each: shapes.metrics(self._source.records(each, name, rank), each, load) for each in ids}

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _file_url(self, path: str, facts: Mapping[str, Any]) -> str:
        if self._source.url.startswith("http"):
            return f"{self._source.url}/api/v1/runs/{self._root}/files/{path}"
        return f"file://{facts['path']}/{path}"

    def _ids_below(self) -> list[str]:
        """The run itself and all its descendants."""
        found = [self._run_id]
        for run_id in found:
            found += [str(child["run_id"]) for child in self._source.run(run_id).get("children") or []]
        return found

    def _log_names(self) -> list[str]:
        """Paths of log files; with several nodes they are below a folder of each."""
        if self._child is not None:
            return []
        paths = [str(file["path"]) for file in self._source.files(self._root)]
        return [path for path in paths if path.startswith(LOG_FOLDERS) or _is_nodes_log(path)]

    def _content(self, path: str) -> bytes:
        parts = [self._source.file(self._root, path, 0)]
        while parts[-1]:
            parts.append(self._source.file(self._root, path, sum(map(len, parts))))
        return b"".join(parts)

    def _artifact(self, run_id: str, kind: str, path: str) -> Artifact:
        location = _address(run_id, kind, path)
        return Artifact(path.rpartition("/")[2], self._content(path), location, f"azureml.v2.{kind}")


def _is_nodes_log(path: str) -> bool:
    folder, _, rest = path.partition("/")
    return folder not in NO_NODES and rest.startswith(LOG_FOLDERS)


def _address(run_id: str, kind: str, path: str) -> str:
    return shapes.address(run_id, kind, path.removeprefix(files_prefix(run_id)))
