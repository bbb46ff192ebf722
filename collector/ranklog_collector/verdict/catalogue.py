"""Where signatures come from: the package, the folder of runs, the run, a file that a user names."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import files

from ranklog_collector.core.layout import INTERNAL
from ranklog_collector.core.verdict.signatures import Catalogue, Signature, SignatureError, load
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.inside import open_inside

RUN_SIGNATURES = f"{INTERNAL}/signatures.toml"
"""In a run folder."""
ROOT_SIGNATURES = ".ranklog-signatures.toml"
"""Beside the experiments' folders."""
BYTES_MAX = 1 << 20


def catalogue_of(folder: RunFolder, path: str | None = None) -> Catalogue:
    """Signatures for a run: of the file `path`, of the run, of its root, and the package's own, asked in this order.

    Raises ReadingError if some are none.
    """
    root = os.path.dirname(os.path.dirname(folder.path))
    own = [] if path is None else [(path, _read(path))]
    for where, name in ((folder.path, RUN_SIGNATURES), (root, ROOT_SIGNATURES)):
        data = _read_inside(where, name)
        if data is not None:
            own.append((os.path.join(where, name), data))
    return _catalogue(tuple(own))


def packaged() -> list[Signature]:
    """The package's own signatures."""
    return load((files(__package__) / "signatures.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=16)
def _catalogue(own: tuple[tuple[str, bytes], ...]) -> Catalogue:
    signatures: list[Signature] = []
    for path, data in own:
        try:
            if len(data) > BYTES_MAX:
                raise SignatureError(f"it is larger than {BYTES_MAX} bytes")
            signatures += load(data.decode())
        except (SignatureError, ValueError) as error:
            raise ReadingError(f"{path}: {error}") from error
    try:
        return Catalogue([*signatures, *packaged()])
    except SignatureError as error:
        raise ReadingError(f"signatures: {error}") from error


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(BYTES_MAX + 1)
    except OSError as error:
        raise ReadingError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_inside(where: str, name: str) -> bytes | None:
    try:
        file = open_inside(where, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReadingError(f"{where}/{name} cannot be read: {error.strerror or error}") from error
    try:
        return os.pread(file, BYTES_MAX + 1, 0)
    finally:
        os.close(file)
