"""What is kept of an experiment beside its runs: `<root>/<experiment>/experiment.json` with tags, and when archived."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ranklog.errors import UserError

NAME = "experiment.json"


@dataclass
class Record:
    """One experiment."""

    tags: dict[str, str] = field(default_factory=dict)
    archived: datetime | None = None


def now() -> datetime:
    """The time."""
    return datetime.now(timezone.utc)


def names(root: str) -> list[str]:
    """The experiments below a root of which something is kept."""
    with suppress(OSError):
        return [name for name in os.listdir(root) if os.path.isfile(os.path.join(root, name, NAME))]
    return []


def read(root: str, experiment: str) -> Record:
    """What is kept; nothing if there is no record or it is damaged."""
    try:
        with open(os.path.join(root, experiment, NAME), encoding="utf-8") as file:
            fields = json.load(file)
        archived = fields.get("archived")
        return Record(
            {str(key): str(value) for key, value in fields.get("tags", {}).items()},
            None if archived is None else datetime.fromisoformat(archived),
        )
    except (OSError, ValueError, AttributeError, TypeError):
        return Record()


@contextmanager
def changing(root: str, experiment: str) -> Iterator[Record]:
    """Keep what the block changes in the record, one process after the other. Raises UserError."""
    folder = os.path.join(root, experiment)
    try:
        os.makedirs(folder, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            record = read(root, experiment)
            yield record
            _write(os.path.join(folder, NAME), record)
        finally:
            os.close(lock)
    except OSError as error:
        raise UserError(f"experiment {experiment} cannot be changed: {error.filename}: {error.strerror}") from error


def delete(root: str, experiment: str) -> None:
    """Remove an experiment's folder with all that is in it. Raises UserError if there is none, or it cannot be."""
    try:
        shutil.rmtree(os.path.join(root, experiment))
    except OSError as error:
        raise UserError(f"experiment {experiment} cannot be deleted: {error.filename}: {error.strerror}") from error


def _write(path: str, record: Record) -> None:
    archived = None if record.archived is None else record.archived.isoformat()
    fresh = f"{path}.new"
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump({"tags": record.tags, "archived": archived}, file, ensure_ascii=False)
    os.replace(fresh, path)
