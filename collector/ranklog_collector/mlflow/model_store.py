"""Where models are: in the folder of the run that made each, or beside the experiments if none did."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from glob import escape, glob

import orjson

from ranklog.mlflow_api.errors import UNAVAILABLE, MlflowError, missing
from ranklog_collector.mlflow.artifacts import OTHERS
from ranklog_collector.mlflow.models import Line, Model

FOLDER = ".ranklog/models"
_SUFFIX = ".jsonl"


class ModelStore:
    """All models, in memory. `root` is the folder of run folders."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._models: dict[str, Model] = {}
        self._paths: dict[str, str] = {}
        for pattern in (f"*/*/{FOLDER}", f"{OTHERS}/*/models"):
            for path in glob(os.path.join(escape(root), pattern, f"*{_SUFFIX}")):
                self._load(path)

    def __iter__(self) -> Iterator[Model]:
        """All that have not been deleted."""
        return iter([one for one in self._models.values() if not one.is_deleted])

    def find(self, model_id: str) -> Model | None:
        """A model, or None if there is none or it has been deleted."""
        found = self._models.get(model_id)
        return None if found is None or found.is_deleted else found

    def get(self, model_id: str) -> Model:
        """A model. Raises MlflowError if there is none."""
        found = self.find(model_id)
        if found is None:
            raise missing(f"Logged model with ID '{model_id}' not found.")
        return found

    def add(self, one: Model, run_folder: str | None, line: Line) -> None:
        """Take in a new model, made by the run in a folder below the root or by none. Raises MlflowError."""
        where = f"{OTHERS}/{one.experiment_id}/models" if run_folder is None else f"{run_folder}/{FOLDER}"
        path = os.path.join(self._root, where, f"{one.model_id}{_SUFFIX}")
        about = {
            name: getattr(one, name)
            for name in ("experiment_id", "name", "artifact_uri", "model_type", "source_run_id", "creation_timestamp")
        }
        with suppress(OSError):  # if it cannot be made, nothing can be written there
            os.makedirs(os.path.dirname(path), exist_ok=True)
        self._paths[one.model_id] = path
        self._models[one.model_id] = one
        try:
            self.append(one, {**line, "model": {"model_id": one.model_id, **about}})
        except MlflowError:
            del self._models[one.model_id], self._paths[one.model_id]
            raise

    def append(self, one: Model, line: Line) -> None:
        """Write down what is new of a model, and take it in. Raises MlflowError."""
        try:
            file = os.open(self._paths[one.model_id], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                os.write(file, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            finally:
                os.close(file)
        except OSError as error:
            raise MlflowError(UNAVAILABLE, f"model {one.model_id} cannot be written: {error.strerror}") from error
        one.apply(line)

    def _load(self, path: str) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError), open(path, "rb") as file:
            first, *others = [orjson.loads(line) for line in file.read().splitlines()]
            one = Model(**first["model"])
            for line in (first, *others):
                one.apply(line)
            self._models[one.model_id] = one
            self._paths[one.model_id] = path
