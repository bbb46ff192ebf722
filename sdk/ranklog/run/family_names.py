"""Ids of child runs, and where their files are. Pure."""

from __future__ import annotations

import re
from uuid import uuid4

CHILD = re.compile(r"(.+?)((?:\.[0-9a-f]{8})+)", re.DOTALL)
FOLDER = "children"


def new_child(parent: str) -> str:
    """Give a new child run's id."""
    return f"{parent}.{uuid4().hex[:8]}"


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
