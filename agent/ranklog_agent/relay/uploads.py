"""Files that MLflow's client stores in a run, and reads back: in the spool, under their paths in the run folder."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

from ranklog.errors import UserError
from ranklog.mlflow_api.errors import invalid
from ranklog.mlflow_api.logbook import Logbook
from ranklog.run.own_log import warn
from ranklog.run.place import safe_parts

_numbers = count()


async def store(logbook: Logbook, run_id: str, path: str, body: AsyncIterator[bytes]) -> None:
    """Store what a request brings. A full disk is warned of, as ever. Raises MlflowError."""
    parts = _parts(logbook.prefix(run_id) + path)
    folder = os.path.join(logbook.place.folder, "artifacts", logbook.place.key, *parts[:-1])
    fresh = os.path.join(folder, f".relay.{os.getpid()}.{next(_numbers)}.new")
    failure = None
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(fresh, "xb") as file:
            async for piece in body:
                file.write(piece)
        os.rename(fresh, os.path.join(folder, parts[-1]))
    except OSError as error:
        failure = error
        async for _ in body:  # the client goes on talking
            pass
    finally:
        with suppress(OSError):
            os.unlink(fresh)
    if failure is None:
        logbook.stored(run_id, path)
    else:
        warn(f"{path} is not stored: {failure.filename or 'the spool'}: {failure.strerror}")


def find(logbook: Logbook, run_id: str, path: str) -> str | None:
    """Give where a file is; None if this node has none of that name. Of several the latest. Raises MlflowError."""
    parts = _parts(logbook.prefix(run_id) + path)
    found = [os.path.join(folder, *parts) for folder in _folders(logbook.place.folder)]
    return max((each for each in found if os.path.isfile(each)), key=os.path.getmtime, default=None)


def listing(logbook: Logbook, run_id: str, path: str) -> list[dict[str, Any]]:
    """Give what is in a folder of a run, as MLflow has it. Raises MlflowError."""
    parts = _parts(logbook.prefix(run_id) + path)
    found: dict[str, dict[str, Any]] = {}
    for folder in _folders(logbook.place.folder):
        with suppress(OSError), os.scandir(os.path.join(folder, *parts)) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    is_dir = entry.is_dir(follow_symlinks=False)
                    size = {} if is_dir else {"file_size": entry.stat(follow_symlinks=False).st_size}
                    found[entry.name] = {"path": entry.name, "is_dir": is_dir, **size}
    return [found[name] for name in sorted(found)]


def media_type(path: str) -> str:
    """Guess what a file is by its name."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _folders(spool: str) -> Iterator[str]:
    with suppress(OSError):
        for name in sorted(os.listdir(os.path.join(spool, "artifacts"))):
            yield os.path.join(spool, "artifacts", name)


def _parts(path: str) -> list[str]:
    try:
        return safe_parts(path)
    except UserError as error:
        raise invalid(f"Invalid path: {error}") from None
