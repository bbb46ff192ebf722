"""What a run is called: readable, sortable by time, and no other's name."""

from __future__ import annotations

import os.path
import time
from collections.abc import Sequence

from ranklog.layout import safe_name
from ranklog_collector.launch.known import module_of, wrapping

NAME_CHARACTERS_MAX = 40


def program_name(words: Sequence[str]) -> str:
    """Name what a command is about: the script or module that it runs, else its program."""
    for index, word in enumerate(words):
        if word.endswith(".py"):
            return os.path.basename(word).removesuffix(".py")
        module = module_of(words[index:]) if os.path.basename(word).startswith("python") else None
        if module is not None and not module.startswith("torch.distributed"):
            return module
    return os.path.basename((words[wrapping(words) :] or words)[0])


def run_id(name: str, now_s: float, random_hex: str) -> str:
    """Make a run's id of its name, the time in UTC, and a few random digits."""
    stem = safe_name(name)[:NAME_CHARACTERS_MAX].strip("-.") or "run"
    return f"{stem}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now_s))}-{random_hex}"
