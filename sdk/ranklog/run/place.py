"""A process's place in the spool of a run: where what it logs, uploads and says goes (docs/reference/spool.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from time import time_ns
from typing import IO, Any

from ranklog.errors import UserError
from ranklog.points import line
from ranklog.points.file import PointFile
from ranklog.run.own_log import LOGGER, OwnLog, warn

PATH_BYTES_MAX = 5000
NAME_BYTES_MAX = 255
NAME_CHARACTERS_MAX = 50
PIECE_BYTES = 1 << 20
_numbers = count()


class Place:
    """What a process writes for a run.

    `is_owned` says that somebody else decides on the run's state: a launcher, `ranklog run`, a parent process.
    """

    def __init__(self, run_id: str, folder: str, key: str, *, is_owned: bool, rank: int | None = None) -> None:
        self.run_id = run_id
        self.folder = folder
        self.key = key
        self.is_owned = is_owned
        self.rank = rank
        self.points = PointFile(os.path.join(folder, "metrics", f"{key}.jsonl"), warn)

    def tell(
        self,
        fields: Mapping[str, object],
        *,
        name: str | None = None,
        description: str | None = None,
        run: str | None = None,
    ) -> None:
        """Write a line other than that of a single value."""
        now_ns = time_ns()
        self.points.append(line.entry(now_ns, fields, name=name, description=description, run=run), now_ns)

    def keep(self, path: str, source: str | IO[Any]) -> bool:
        """Store a file of the run folder: from a path or a stream. It appears whole.

        Returns False, after a warning, if there is no room for it. Raises UserError if there is nothing to be stored.
        """
        if isinstance(source, str) and not os.path.isfile(source):
            raise UserError(f"cannot upload {source}: there is no such file (working folder {os.getcwd()})")
        target = self._artifact(path)
        with _warned(path), _fresh(target) as (fresh, file):
            _copy(source, file)
            file.flush()
            os.rename(fresh, target)
            return True
        return False

    def keep_new(self, stem: str, suffix: str, content: bytes) -> str | None:
        """Store a file under a name that is not in use yet; gives its path, None if there is no room for it."""
        with _warned(stem + suffix), _fresh(self._artifact(stem)) as (fresh, file):
            file.write(content)
            file.flush()
            for number in count():
                path = f"{stem}{f'_{number}' if number else ''}{suffix}"
                with suppress(FileExistsError):
                    os.link(fresh, self._artifact(path))
                    return path
        return None

    def _artifact(self, path: str) -> str:
        return os.path.join(self.folder, "artifacts", self.key, *safe_parts(path))

    def log_here(self) -> None:
        """Let the SDK's own log go to this place as well."""
        if not any(isinstance(handler, OwnLog) for handler in LOGGER.handlers):
            LOGGER.addHandler(OwnLog(os.path.join(self.folder, "logs", self.key)))

    def log_no_longer(self) -> None:
        """Let it no longer go here: the run has ended before the process."""
        here = os.path.join(self.folder, "")
        for handler in [
            one for one in LOGGER.handlers if isinstance(one, OwnLog) and one.baseFilename.startswith(here)
        ]:
            LOGGER.removeHandler(handler)
            handler.close()


def safe_parts(path: str) -> list[str]:
    """Split a path below the run folder. Raises UserError if it leads out of it, or is none."""
    text = str(path).replace("\\", "/").removeprefix("./")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    too_long = len(os.fsencode(text)) > PATH_BYTES_MAX or any(len(os.fsencode(part)) > NAME_BYTES_MAX for part in parts)
    if not parts or text.startswith("/") or ".." in parts or "\0" in text or too_long:
        raise UserError(f"{text[:200]!r} cannot be a file's name in the run: give a path such as 'outputs/model.pt'")
    if parts[0] == ".ranklog" or parts[-1].startswith("."):
        raise UserError(f"{text!r} cannot be a file's name in the run: names that start with a dot are ranklog's own")
    return parts


@contextmanager
def _warned(path: str) -> Iterator[None]:
    """Make a warning of what the disk refuses."""
    try:
        yield
    except OSError as error:
        warn(f"{path} is not stored: {error.filename or 'the spool'}: {error.strerror}")


@contextmanager
def _fresh(target: str) -> Iterator[tuple[str, IO[bytes]]]:
    """A file beside its target-to-be, under a name that nobody looks at; it is gone with the block unless renamed."""
    folder, name = os.path.split(target)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, f".{name[:NAME_CHARACTERS_MAX]}.{os.getpid()}.{next(_numbers)}.new")
    try:
        with open(path, "xb") as file:
            yield path, file
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _copy(source: str | IO[Any], file: IO[bytes]) -> None:
    if isinstance(source, str):
        with open(source, "rb") as opened:
            _copy(opened, file)
        return
    while piece := source.read(PIECE_BYTES):
        file.write(piece.encode() if isinstance(piece, str) else piece)
