"""TensorBoard's event files: which files are some, who wrote one, and what it is called in the run folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

FOLDERS = ("runs", "lightning_logs", "logs", "tb_logs", "tensorboard", "user_logs", "outputs", "output", "results")
"""Where trainers put them below the working folder, as a rule."""
OUTPUT_FOLDERS = ("runs", "lightning_logs")
"""Where some put them below the folder that they were told to write to."""
KEPT_FOLDERS = ("logs", "user_logs", "outputs")
"""These have the same name in the run folder; all else is below logs/."""
_NAME = re.compile(r"tfevents\.\d+\.(?P<rest>.+)")
_PID = re.compile(r"\.(?P<pid>\d{1,9})\.\d+(?:\.|$)")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file's name says of who writes it; None: nothing."""

    is_here: bool | None = None
    """Whether that is on this host."""
    pid: int | None = None


def is_event_file(path: str) -> bool:
    """Whether TensorBoard would take it for one."""
    return "tfevents" in path.rpartition("/")[2]


def origin(path: str, hostname: str) -> Origin:
    """Read `events.out.tfevents.<time>.<host>` and perhaps `.<pid>.<count>`."""
    found = _NAME.search(path.rpartition("/")[2])
    if found is None:
        return Origin()
    rest = found["rest"]
    if rest != hostname and not rest.startswith(f"{hostname}."):
        return Origin(is_here=False)
    pid = _PID.match(rest, len(hostname))
    return Origin(is_here=True, pid=int(pid["pid"]) if pid else None)


def run_path(path: str, working_folders: Iterable[str]) -> str:
    """Name a file in the run folder: by its place below a working folder, or by its whole path."""
    below = [path[len(folder.rstrip("/")) + 1 :] for folder in working_folders if _is_below(path, folder)]
    relative = min(below, key=len, default=path.lstrip("/"))
    return relative if relative.partition("/")[0] in KEPT_FOLDERS and "/" in relative else f"logs/{relative}"


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/")
