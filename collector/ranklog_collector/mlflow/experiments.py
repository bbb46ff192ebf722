"""The experiments: folders below the root, each with a record of what is kept of it, and a number for MLflow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone

from ranklog import experiment_record
from ranklog.errors import UserError
from ranklog.experiment_record import Record
from ranklog.mlflow_api.errors import EXISTS, UNAVAILABLE, MlflowError, invalid, missing
from ranklog.mlflow_api.ids import DEFAULT_FOLDER, DEFAULT_NAME
from ranklog.mlflow_api.ids import experiment_id as told_id
from ranklog_collector.core.layout import JOURNAL
from ranklog_collector.mlflow import names
from ranklog_collector.mlflow.catalog.search import experiment_id as parse_id
from ranklog_collector.mlflow.catalog.store import Catalog
from ranklog_collector.mlflow.run import ACTIVE, DELETED
from ranklog_collector.mlflow.shapes import PROXIED, Experiment

CATALOG = ".ranklog-catalog"
"""The folder of the catalog, below the root, unless it is somewhere else."""


class Experiments:
    """All of them, in memory. For one thread at a time, but for looking up. Raises CatalogError."""

    def __init__(self, root: str, catalog_url: str | None) -> None:
        self._root = root
        if catalog_url is None:
            os.makedirs(os.path.join(root, CATALOG), exist_ok=True)
            catalog_url = f"sqlite:///{os.path.join(root, CATALOG, 'catalog.sqlite')}"
        self.catalog = Catalog(catalog_url)
        self._by_id: dict[int, Experiment] = {}
        self._by_name: dict[str, Experiment] = {}
        self._by_folder: dict[str, Experiment] = {}
        self._seen: dict[int, str] = {}
        for one, seen in self.catalog.experiments():
            self._take(one, seen)
        self.look()

    # ---- looked up --------------------------------------------------------------------------------------------------

    def get(self, experiment_id: str) -> Experiment:
        """An experiment by its id. Raises MlflowError."""
        found = self._by_id.get(self._number(experiment_id))
        if found is None:
            raise missing(f"No Experiment with id={experiment_id} exists")
        return found

    def get_active(self, experiment_id: str) -> Experiment:
        """One that has not been deleted. Raises MlflowError."""
        found = self.get(experiment_id)
        if not found.is_active:
            stage = found.lifecycle_stage
            raise invalid(f"The experiment {experiment_id} must be in the 'active' state. Current state is {stage}.")
        return found

    def named(self, name: str) -> Experiment:
        """An experiment by its name. Raises MlflowError."""
        found = self._by_name.get(name)
        if found is None:
            raise missing(f"Could not find experiment with name '{name}'")
        return found

    def known(self, ids: list[str]) -> list[int]:
        """Of these ids those that there are."""
        return [number for number in map(self._number, ids) if number in self._by_id]

    def _number(self, text: str) -> int:
        """What an experiment is known by here, of that or of what agents and the SDK call it, who ask nobody."""
        number = parse_id(text)
        if number in self._by_id:
            return number
        return next((one.experiment_id for one in self._by_id.values() if told_id(one.folder) == text), number)

    def of_folder(self, folder: str) -> Experiment:
        """The experiment of a folder below the root, which gets a number if it has none."""
        return self._by_folder.get(folder) or self._enter(folder)

    @staticmethod
    def artifact_uri(one: Experiment, run_id: str) -> str:
        """Where artifacts of a run are."""
        location, mark, rest = one.artifact_location, "", ""
        for sign in "?#":
            head, found, tail = location.partition(sign)
            if found:
                location, mark, rest = head, sign, tail
                break
        return f"{location.rstrip('/')}/{run_id}/artifacts{mark}{rest}"

    # ---- changed ----------------------------------------------------------------------------------------------------

    def create(self, name: str, artifact_location: str, tags: dict[str, str]) -> Experiment:
        """Make an experiment. Raises MlflowError."""
        folder = names.folder(name)
        if folder not in self._by_folder and os.path.isdir(os.path.join(self._root, folder)):
            self._enter(folder)
        known = self._by_name.get(name)
        if known is not None:
            more = " in deleted state. You can restore it, or give it another name to create a new one."
            raise MlflowError(EXISTS, f"Experiment(name={name}) already exists{'.' if known.is_active else more}")
        if folder in self._by_folder:  # one that is called something else by now
            folder = f"{folder}-{self._next_id()}"
        now = experiment_record.now()
        with self._changing(folder) as record:
            record.number = self._next_id()
            record.name = None if name == folder else name
            record.created = record.updated = now
            record.tags = dict(tags)
            record.artifact_location = artifact_location or None
        return self._reload(folder)

    def rename(self, one: Experiment, name: str) -> None:
        """Call an experiment something else; its folder keeps its name. Raises MlflowError."""
        if name in self._by_name and self._by_name[name] is not one:
            raise MlflowError(EXISTS, f"Experiment(name={name}) already exists.")
        with self._changing(one.folder) as record:
            record.name = None if name == one.folder else name
            record.updated = experiment_record.now()
        self._reload(one.folder)

    def set_lifecycle(self, one: Experiment, stage: str) -> None:
        """Delete an experiment, or restore it. Raises MlflowError."""
        with self._changing(one.folder) as record:
            record.updated = experiment_record.now()
            record.archived = record.updated if stage == DELETED else None
        self._reload(one.folder)

    def set_tag(self, one: Experiment, key: str, value: str | None) -> None:
        """Set or remove a tag. Raises MlflowError."""
        with self._changing(one.folder) as record:
            if value is None:
                record.tags.pop(key, None)
            else:
                record.tags[key] = value
            record.updated = experiment_record.now()
        self._reload(one.folder)

    def look(self) -> None:
        """Take in what was changed in other ways."""
        self.of_folder(DEFAULT_FOLDER)
        with suppress(OSError), os.scandir(self._root) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.is_dir():
                    continue
                known = self._by_folder.get(entry.name)
                if known is None and _is_experiment(entry.path):
                    self._enter(entry.name)
                elif known is None:
                    continue
                elif self._seen[known.experiment_id] != self._growth(entry.name):
                    self._reload(entry.name)
        for one in list(self._by_id.values()):
            if not os.path.isdir(os.path.join(self._root, one.folder)):
                self._forget(one)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _enter(self, folder: str) -> Experiment:
        """Give a number to an experiment that came in another way, and keep it."""
        record = experiment_record.read(self._root, folder)
        if record.number is None or record.number in self._by_id:
            with self._changing(folder) as changed:
                changed.number = names.DEFAULT_ID if folder == DEFAULT_FOLDER else self._next_id()
                changed.created = changed.created or _changed(os.path.join(self._root, folder))
                changed.updated = changed.updated or changed.created
        return self._reload(folder)

    def _reload(self, folder: str) -> Experiment:
        seen = self._growth(folder)
        one = _experiment(folder, experiment_record.read(self._root, folder))
        taken = self._by_name.get(one.name)
        if taken is not None and taken.folder != folder:
            one.name = folder if folder not in self._by_name else f"{folder} ({one.experiment_id})"
        self.catalog.save_experiment(one, seen)
        self._take(one, seen)
        return one

    def _take(self, one: Experiment, seen: str) -> None:
        before = self._by_folder.get(one.folder)
        if before is not None:
            self._by_name.pop(before.name, None)
        self._by_id[one.experiment_id] = self._by_name[one.name] = self._by_folder[one.folder] = one
        self._seen[one.experiment_id] = seen

    def _forget(self, one: Experiment) -> None:
        self.catalog.forget_experiment(one.experiment_id)
        del self._by_id[one.experiment_id], self._by_folder[one.folder], self._seen[one.experiment_id]
        self._by_name.pop(one.name, None)

    def _next_id(self) -> int:
        return max(self._by_id, default=names.DEFAULT_ID) + 1

    def _growth(self, folder: str) -> str:
        try:
            return str(os.stat(os.path.join(self._root, folder, experiment_record.NAME)).st_mtime_ns)
        except OSError:
            return ""

    @contextmanager
    def _changing(self, folder: str) -> Iterator[Record]:
        try:
            with experiment_record.changing(self._root, folder) as record:
                yield record
        except UserError as error:
            raise MlflowError(UNAVAILABLE, str(error)) from error


def _experiment(folder: str, record: Record) -> Experiment:
    number = record.number if record.number is not None else names.DEFAULT_ID
    created = _ms(record.created)
    return Experiment(
        experiment_id=number,
        name=record.name or (DEFAULT_NAME if folder == DEFAULT_FOLDER else folder),
        folder=folder,
        artifact_location=record.artifact_location or f"{PROXIED}/{number}",
        creation_time=created,
        last_update_time=_ms(record.updated) or created,
        lifecycle_stage=ACTIVE if record.archived is None else DELETED,
        tags=record.tags,
    )


def _is_experiment(path: str) -> bool:
    """Whether a folder below the root is one, and not somebody's who keeps other things there."""
    if os.path.exists(os.path.join(path, experiment_record.NAME)):
        return True
    with suppress(OSError), os.scandir(path) as entries:
        return any(os.path.exists(os.path.join(entry.path, JOURNAL)) for entry in entries)
    return False


def _ms(time: datetime | None) -> int:
    return 0 if time is None else round(time.timestamp() * 1000)


def _changed(path: str) -> datetime:
    try:
        return datetime.fromtimestamp(os.stat(path).st_mtime, timezone.utc)
    except OSError:
        return experiment_record.now()
