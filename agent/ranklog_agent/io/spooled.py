"""What a file of the spool belongs to, beside output: points, uploaded files, the SDK's own log."""

from __future__ import annotations

from dataclasses import dataclass

from ranklog.layout import is_key
from ranklog_agent.core.facts import StreamName, spelled

FOLDERS = {"metrics": "metrics", "artifacts": "artifact", "logs": "azureml_log"}
"""Folders of the spool, and the roles of what is in them."""
POINTS_SUFFIX = ".jsonl"


@dataclass(frozen=True, slots=True)
class Spooled:
    """A process's file in the spool."""

    key: str
    """Of the process."""
    role: str
    name: str
    """Below the folder that the role's files go to; empty for points."""

    @property
    def is_snapshot(self) -> bool:
        """Whether it appears whole, by rename, and may be replaced."""
        return self.role == "artifact"

    @property
    def stream(self) -> StreamName:
        """What it is to the collector."""
        return StreamName(self.role, self.key, spelled(self.name))


def spooled(relative: str) -> Spooled | None:
    """Tell what a path below the spool is; None if it is none of these, or is still being written."""
    folder, *parts = relative.split("/")
    role = FOLDERS.get(folder)
    if role is None or not parts or any(part.startswith(".") for part in (parts[0], parts[-1])):
        return None
    if role == "metrics":
        key = parts[0].removesuffix(POINTS_SUFFIX)
        is_points = len(parts) == 1 and key != parts[0] and is_key(key)
        return Spooled(key, role, "") if is_points else None
    return Spooled(parts[0], role, "/".join(parts[1:])) if len(parts) > 1 and is_key(parts[0]) else None
