"""TensorBoard's event files among the files of a run: which they are, and how the series of several are told apart."""

from __future__ import annotations

import re
from collections.abc import Iterable

SPLITS = frozenset(("train", "training", "validation", "valid", "val", "evaluation", "eval", "test"))
"""Folders of these names always show in a metric's name, also if there is no other one beside."""
_IMAGE = re.compile(r"(?P<file>.+)/(?P<offset>\d{1,18})-(?P<place>\d{1,9})\.[a-z]+")


def is_event_file(path: str) -> bool:
    """Whether TensorBoard would take it for one."""
    return "tfevents" in path.rpartition("/")[2]


def labels(paths: Iterable[str]) -> dict[str, str]:
    """Name the event files of one process by the folders they are in, below the folder that they have in common.

    So TensorBoard names them when it is shown that folder. Files of the same folder have the same name.
    """
    folders = {path: path.split("/")[:-1] for path in paths}
    common = _common(list(folders.values()))
    while common and common[-1] in SPLITS:
        common.pop()
    return {path: "/".join(parts[len(common) :]) for path, parts in folders.items()}


def image_path(file: str, offset: int, place: int, suffix: str) -> str:
    """Name an image in an event file, as if that were a folder: by its record's offset and its place in the record."""
    return f"{file}/{offset}-{place}.{suffix}"


def parse_image_path(path: str) -> tuple[str, int, int] | None:
    """Read such a name: the event file, the offset and the place; None if it is none."""
    found = _IMAGE.fullmatch(path)
    if found is None or not is_event_file(found["file"]):
        return None
    return found["file"], int(found["offset"]), int(found["place"])


def _common(folders: list[list[str]]) -> list[str]:
    common = folders[0][:] if folders else []
    for parts in folders[1:]:
        while parts[: len(common)] != common:
            common.pop()
    return common
