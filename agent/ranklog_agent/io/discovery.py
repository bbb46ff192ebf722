"""Finds files below folders that rules name, by looking: what events missed or cannot tell is found here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

DEPTH_MAX = 32
"""Folders are entered no deeper than this below a rule's base: a link or a mistake must not make a scan endless."""


def files_below(folder: str, depth: int | None) -> Iterator[str]:
    """Paths of all files below a folder, links to files included, links to folders not followed."""
    yield from _files(folder, DEPTH_MAX if depth is None else min(depth, DEPTH_MAX))


def _files(folder: str, depth: int) -> Iterator[str]:
    folders = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file():
                    yield entry.path
            except OSError:
                continue
    if depth > 0:
        for below in folders:
            yield from _files(below, depth - 1)
