"""MLflow's artifact repository on ranklog: files go to the spool, and are read from there or from the run folder."""

from __future__ import annotations

import os
import posixpath
from typing import Any

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.tracking._tracking_service.utils import _get_store

from ranklog.mlflow_api.errors import MISSING
from ranklog.mlflow_plugin.artifacts_uri import run_and_path
from ranklog.mlflow_plugin.store import RanklogStore, exception, in_mlflows_words


class RanklogArtifacts(ArtifactRepository):  # type: ignore[misc]
    """The files of a run, below a folder if the address has one."""

    def __init__(self, artifact_uri: str, *arguments: Any, **keywords: Any) -> None:
        super().__init__(artifact_uri, *arguments, **keywords)
        self._run_id, self._below = run_and_path(artifact_uri)

    @property
    def _store(self) -> RanklogStore:
        store = _get_store(self.tracking_uri)
        if not isinstance(store, RanklogStore):
            raise MlflowException(f"{self.artifact_uri} can be reached while the tracking URI begins with ranklog://")
        return store

    @in_mlflows_words
    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a copy of a file in the spool."""
        name = posixpath.join(self._below, artifact_path or "", os.path.basename(local_file))
        self._store.keep_file(self._run_id, name, os.fspath(local_file))

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store copies of all files below a folder."""
        for folder, _, names in os.walk(local_dir):
            below = os.path.relpath(folder, local_dir)
            path = posixpath.join(artifact_path or "", "" if below == "." else below)
            for name in sorted(names):
                self.log_artifact(os.path.join(folder, name), path)

    @in_mlflows_words
    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """List what is in a folder."""
        folder = posixpath.join(self._below, path or "").strip("/")
        start = f"{folder}/" if folder else ""
        found: dict[str, FileInfo] = {}
        for name, size in self._store.files(self._run_id).items():
            if name.startswith(start):
                first, _, rest = name.removeprefix(start).partition("/")
                shown = posixpath.relpath(start + first, self._below or ".")
                found[shown] = FileInfo(shown, is_dir=bool(rest), file_size=None if rest else size)
        return [found[name] for name in sorted(found)]

    @in_mlflows_words
    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        content = self._store.file(self._run_id, posixpath.join(self._below, remote_file_path))
        if content is None:
            raise exception(MISSING, f"No such artifact: {remote_file_path!r}")
        with open(local_path, "wb") as file:
            file.write(content)
