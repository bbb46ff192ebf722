"""Where PyTorch's flight recorder leaves what a rank did last, when a collective has taken too long."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping

SETTINGS = ("TORCH_FR_DUMP_TEMP_FILE", "TORCH_NCCL_DEBUG_INFO_TEMP_FILE")
"""What the paths begin with, if the job has set it; the rank's number follows."""
FORMER = "/tmp/nccl_trace_rank_"


def beginnings(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What the paths begin with, given a rank's environment; the default depends on PyTorch's version."""
    told = tuple(environment[name] for name in SETTINGS if environment.get(name, "").startswith("/"))
    if told:
        return told
    home = environment.get("HOME", "")
    cache = environment.get("XDG_CACHE_HOME") or (f"{home}/.cache" if home else "/tmp/.cache")
    return f"{cache}/torch/comm_lib_trace_rank_", FORMER


def present(places: tuple[str, ...], rank: int, since_ns: int, owner: int) -> Iterator[str]:
    """Files of a rank that were written since it began, and by its user: such places are shared with other jobs."""
    for place in places:
        try:
            found = os.lstat(f"{place}{rank}")
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and found.st_uid == owner and found.st_mtime_ns >= since_ns:
            yield f"{place}{rank}"
