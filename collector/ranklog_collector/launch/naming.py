"""What a command is about: its runs are called so."""

from __future__ import annotations

import os.path
from collections.abc import Sequence

from ranklog_collector.launch.known import module_of, wrapping


def program_name(words: Sequence[str]) -> str:
    """Name what a command is about: the script or module that it runs, else its program."""
    for index, word in enumerate(words):
        if word.endswith(".py"):
            return os.path.basename(word).removesuffix(".py")
        module = module_of(words[index:]) if os.path.basename(word).startswith("python") else None
        if module is not None and not module.startswith("torch.distributed"):
            return module
    return os.path.basename((words[wrapping(words) :] or words)[0])
