"""What is kept of an experiment beside its runs: `<root>/<experiment>/experiment.json` with tags, and when archived."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone

from ranklog.errors import UserError

NAME = "experiment.json"


@dataclass
class Record:
    """One experiment."""

    tags: dict[str, str] = field(default_factory=dict)
    archived: datetime | None = None
    number: int | None = None
    """Its id for clients that know it by number."""
    name: str | None = None
    """What it is called, if that is not the name of its folder."""
    created: datetime | None = None
    updated: datetime | None = None
    artifact_location: str | None = None
    """Where artifacts of its runs are, if not in their folders."""


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
        texts = {name: fields[name] for name in ("name", "artifact_location") if isinstance(fields.get(name), str)}
        return Record(
            tags={str(key): str(value) for key, value in fields.get("tags", {}).items()},
            archived=_time(fields.get("archived")),
            number=fields["number"] if isinstance(fields.get("number"), int) else None,
            created=_time(fields.get("created")),
            updated=_time(fields.get("updated")),
            **texts,
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


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _write(path: str, record: Record) -> None:
    fields = {name: value for name, value in asdict(record).items() if value is not None}
    fresh = f"{path}.new"
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(fields, file, ensure_ascii=False, default=datetime.isoformat)
    os.replace(fresh, path)
