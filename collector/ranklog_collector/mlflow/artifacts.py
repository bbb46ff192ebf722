"""Artifacts: files of a run's `outputs/`, or beside the experiments what belongs to no run. Names lead nowhere else."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ranklog.mlflow_api.errors import UNAVAILABLE, MlflowError, invalid, missing
from ranklog_collector.reading.inside import OutsideError, open_inside

OTHERS = ".ranklog-artifacts"
"""Below the root: what belongs to no run."""
INCOMING = ".ranklog/incoming"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME_BYTES_MAX = 255
_DEPTH_MAX = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder, by its name in its folder."""

    name: str
    size: int | None
    """None: it is a folder."""


def parts_of(path: str) -> list[str]:
    """The names that a path is made of. Raises MlflowError if it is none that can be."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or len(parts) > _DEPTH_MAX:
        raise _bad_path()
    for part in parts:
        if part == ".." or "\0" in part or "\\" in part or len(os.fsencode(part)) > _NAME_BYTES_MAX:
            raise _bad_path()
    return parts


def listed(base: str, parts: list[str]) -> list[Entry]:
    """What is in a folder below `base`, by name; nothing if it is no folder."""
    try:
        with _folder(base, parts, make=False) as folder, os.scandir(folder) as entries:
            found = []
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    found.append(Entry(entry.name, None))
                elif stat.S_ISREG(status.st_mode):
                    found.append(Entry(entry.name, status.st_size))
    except (OSError, UnicodeError):
        return []
    return sorted(found, key=lambda one: one.name)


def opened(base: str, parts: list[str]) -> int:
    """Open a file for reading. Raises MlflowError if it is not there."""
    try:
        return open_inside(base, "/".join(parts))
    except (OSError, OutsideError) as error:
        raise missing(f"No such artifact: '{'/'.join(parts)}'") from error


def remove(base: str, parts: list[str]) -> None:
    """Remove a file, or a folder with all that is in it. Raises MlflowError if it is not there."""
    if not parts:
        raise _bad_path()
    try:
        with _folder(base, parts[:-1], make=False) as folder:
            _remove(folder, parts[-1])
    except FileNotFoundError as error:
        raise missing(f"No such artifact: '{'/'.join(parts)}'") from error
    except OSError as error:
        raise _failed(parts, error) from error


class Upload:
    """A file on its way in: it is there when it is `published`, as a whole. To be closed in any case."""

    def __init__(self, base: str, parts: list[str], incoming: str) -> None:
        if not parts:
            raise _bad_path()
        self._base = base
        self._parts = parts
        self._path = os.path.join(incoming, f"api-{secrets.token_hex(8)}")
        try:
            os.makedirs(incoming, exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _failed(parts, error) from error

    def write(self, data: bytes) -> None:
        """Take in the next bytes. Raises MlflowError."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            raise _failed(self._parts, error) from error

    def publish(self) -> None:
        """Let it take its place. Raises MlflowError."""
        try:
            with _folder(self._base, self._parts[:-1], make=True) as folder:
                os.rename(self._path, self._parts[-1], dst_dir_fd=folder)
        except OSError as error:
            raise _failed(self._parts, error) from error

    def close(self) -> None:
        """Let go of it, and of what has not been published."""
        os.close(self._file)
        with suppress(OSError):
            os.unlink(self._path)


@contextmanager
def _folder(base: str, parts: list[str], make: bool) -> Iterator[int]:
    """Open a folder below `base`, following no links."""
    if make:
        os.makedirs(base, exist_ok=True)
    folder = os.open(base, _FOLDER)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _remove(folder: int, name: str) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=folder)
        return
    inner = os.open(name, _FOLDER, dir_fd=folder)
    try:
        for one in os.listdir(inner):
            _remove(inner, one)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=folder)


def _bad_path() -> MlflowError:
    return invalid("Invalid path")


def _failed(parts: list[str], error: OSError) -> MlflowError:
    path = "/".join(parts)
    if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY):
        return invalid(f"Invalid path: '{path}' is taken by something else")
    return MlflowError(UNAVAILABLE, f"artifact '{path}' cannot be written: {error.strerror or error}")
