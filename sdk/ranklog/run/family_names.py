"""Ids of child runs, and where their files are. Pure."""

from __future__ import annotations

import re
from uuid import uuid4
from zlib import crc32

CHILD = re.compile(r"(.+?)((?:\.[0-9a-f]{8})+)", re.DOTALL)
FOLDER = "children"


def child_id(parent: str, wanted: str | None = None) -> str:
    """Give a child run's id: a new one, or always the same for a name that is `wanted`."""
    if wanted is None:
        return f"{parent}.{uuid4().hex[:8]}"
    return wanted if parent_of(wanted) == parent else f"{parent}.{crc32(wanted.encode(errors='replace')):08x}"


def root_of(run_id: str) -> str:
    """The id of the run that is nobody's child."""
    found = CHILD.fullmatch(run_id)
    return run_id if found is None else found[1]


def parent_of(run_id: str) -> str | None:
    """The id of a child run's parent, None for other runs."""
    return None if CHILD.fullmatch(run_id) is None else run_id.rpartition(".")[0]


def files_prefix(child: str | None) -> str:
    """Where below the run folder a run's files are; they must not get into each other's way."""
    return "" if child is None else f"{FOLDER}/{child}/"
