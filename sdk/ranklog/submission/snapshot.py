"""A copy of the source folder, so that a job runs what was submitted, whatever becomes of the folder meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from ranklog.errors import UserError
from ranklog.submission.ignore import Pattern, is_ignored, parse

IGNORE_FILES = (".amlignore", ".gitignore")
"""The first one that is there counts."""
ALWAYS_IGNORED = parse(".git/\n.azureml/\n.ranklog/\n.ipynb_checkpoints/\n__pycache__/\n/azureml-logs/\n/outputs/\n")
BYTES_MAX = 300 << 20
LARGEST = 3
"""How many files are named when it is too much."""


def take(source: str, target: str, apart: str) -> int:
    """Copy a folder but for what its ignore file names, and for the folder `apart`; returns how many bytes.

    Raises UserError if there is no such folder, it is too large, or it cannot be copied.
    """
    if not os.path.isdir(source):
        raise UserError(f"there is no source folder {source}")
    try:
        files = list(_files(source, [*ALWAYS_IGNORED, *_patterns(source)], os.path.realpath(apart)))
        _check(source, files)
        os.makedirs(target)
        for path, _ in files:
            copied = os.path.join(target, path)
            os.makedirs(os.path.dirname(copied), exist_ok=True)
            _copy(os.path.join(source, path), copied, source)
    except OSError as error:
        raise UserError(f"{source} cannot be copied to {target}: {error.filename}: {error.strerror}") from error
    return sum(size for _, size in files)


def _patterns(source: str) -> list[Pattern]:
    for name in IGNORE_FILES:
        path = os.path.join(source, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                return parse(file.read())
    return []


def _files(source: str, patterns: list[Pattern], apart: str) -> Iterator[tuple[str, int]]:
    """Paths below the folder, and sizes."""
    for where, folders, names in os.walk(source):
        inside = os.path.relpath(where, source)
        kept = [
            name
            for name in folders
            if not is_ignored(_joined(inside, name), True, patterns)
            and os.path.realpath(os.path.join(where, name)) != apart
        ]
        links = [name for name in kept if os.path.islink(os.path.join(where, name))]
        folders[:] = [name for name in kept if name not in links]
        for name in sorted(names + links):
            path = _joined(inside, name)
            status = os.lstat(os.path.join(where, name))
            is_plain = os.path.isfile(os.path.join(where, name)) or name in links
            if is_plain and not is_ignored(path, False, patterns):
                yield path, status.st_size


def _joined(inside: str, name: str) -> str:
    return name if inside == os.curdir else f"{inside}/{name}"


def _check(source: str, files: list[tuple[str, int]]) -> None:
    size = sum(size for _, size in files)
    if size <= BYTES_MAX:
        return
    largest = sorted(files, key=lambda file: -file[1])[:LARGEST]
    named = ", ".join(f"{path} ({size >> 20} MiB)" for path, size in largest)
    raise UserError(
        f"the source folder {source} has {size >> 20} MiB, more than the {BYTES_MAX >> 20} MiB that are copied for a "
        f"run; name what the job does not need in {os.path.join(source, IGNORE_FILES[0])}. The largest: {named}"
    )


def _copy(path: str, target: str, source: str) -> None:
    if not os.path.islink(path):
        shutil.copy2(path, target)
        return
    real = os.path.realpath(path)
    is_inside = real.startswith(os.path.join(os.path.realpath(source), ""))
    os.symlink(os.readlink(path) if is_inside and not os.path.isabs(os.readlink(path)) else real, target)
