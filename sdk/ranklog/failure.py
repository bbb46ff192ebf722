"""Why a run failed: what the verdict says, else who failed first, how, and what it said last."""

from __future__ import annotations

import re

from ranklog.errors import RanklogError
from ranklog.source.protocol import Json, Source

FAILED = ("Failed",)
BLAMING = ("failed", "suspect")
"""What a verdict says that names a reason."""
TAIL_BYTES = 1 << 16
TEXT_CHARACTERS_MAX = 500
ERROR = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt|Exit)\b(?::.*)?$")
"""The line that ends a Python traceback."""


def reason(source: Source, run_id: str) -> str | None:
    """Tell why a run failed: what the verdict says, and where there is none, who failed first. None: nobody has.

    Raises RunNotFoundError, UnreachableError.
    """
    verdict = source.verdict(run_id)
    if verdict.get("status") in BLAMING and verdict.get("headline"):
        return str(verdict["headline"])
    return first_failure(source, run_id)


def first_failure(source: Source, run_id: str) -> str | None:
    """Tell of the process that failed first, `rank 2 ended with exit code 1: ValueError: bad`; None: nobody has.

    Raises RunNotFoundError, UnreachableError.
    """
    failed = [one for one in source.processes(run_id) if one.get("state") in FAILED and one.get("role") != "launcher"]
    if not failed:
        return None
    first = min(failed, key=lambda one: str(one.get("ended") or "~"))
    who = f"rank {first['rank']}" if first.get("rank") is not None else f"process {first.get('pid')}"
    how = str(first.get("exit") or "")
    ending = f"exit code {how}" if how.isdecimal() else how
    said = _last_error(source, run_id, first)
    return f"{who} ended" + (f" with {ending}" if ending else "") + (f": {said}" if said else "")


def _last_error(source: Source, run_id: str, process: Json) -> str:
    """The last line that looks like an error, else the last one, of what a process said."""
    lines: list[str] = []
    for file in source.files(run_id):
        if file.get("process") == process.get("name") and file.get("role") in ("stdout", "stderr"):
            lines += _tail(source, run_id, file)
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if ERROR.match(line)]
    return (errors or said or [""])[-1][:TEXT_CHARACTERS_MAX]


def _tail(source: Source, run_id: str, file: Json) -> list[str]:
    try:
        content = source.file(run_id, str(file["path"]), max(0, int(file["size"]) - TAIL_BYTES))
    except RanklogError:
        return []
    return content[:TAIL_BYTES].decode(errors="replace").splitlines()
