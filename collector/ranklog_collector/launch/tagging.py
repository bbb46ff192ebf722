"""Tags that are given with the command: written into the spool as the job's processes write theirs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from ranklog import layout
from ranklog.points.line import entry
from ranklog_collector.launch.errors import LaunchError


def tag(spool: str, hostname: str, tags: Mapping[str, str]) -> None:
    """Write them. Raises LaunchError."""
    now_ns = time.time_ns()
    path = os.path.join(spool, "metrics", f"{layout.submitter_key(hostname, os.getpid(), now_ns)}.jsonl")
    try:
        layout.prepare(spool, "metrics")
        with open(path, "wb") as file:
            file.write(entry(now_ns, {"tag": dict(tags)}))
    except (OSError, layout.SpoolError) as error:
        raise LaunchError(f"the tags cannot be written: {error}") from None
