"""What a simulated host sees instead of the machine's own files."""

from __future__ import annotations

import subprocess
from pathlib import Path


def mount_tmp(folder: str, visible: dict[str, str]) -> None:
    """Put `folder` in place of /tmp; `visible` maps paths that must still be there to where they can be had from."""
    mount("--bind", folder, "/tmp")
    for path, source in visible.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        mount("--bind", source, path)


def mount(*arguments: str) -> None:
    """Run mount, which needs CAP_SYS_ADMIN."""
    subprocess.run(["mount", *arguments], check=True)
