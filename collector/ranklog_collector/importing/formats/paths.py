"""Which rank wrote a file, by its path: Open MPI, torchrun, Slurm, MPICH, and plain names like rank_3.log."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ranklog.launcher_files import PRESETS
from ranklog_collector.importing.formats.found import File, Writer

PLAIN = (
    r"(?:^|[/._-])(?:rank|task|proc|process|worker|driver_log)[._-]?(?P<rank>\d{1,9})"
    r"(?:[._-](?P<stream>stdout|stderr|out|err))?(?:\.(?:log|txt))?$"
)
_BY_PATH = ("openmpi", "torchrun", "slurm", "mpich")
_RULES = {
    name: [re.compile(names, re.DOTALL) for _, names in PRESETS[name] if "(?P<rank>" in names or "local_rank" in names]
    for name in _BY_PATH
} | {"plain": [re.compile(PLAIN, re.DOTALL | re.IGNORECASE)]}
_RANK_DIGITS_MAX = 9
_ERROR_FILE = re.compile(
    r"/(?P<group>[^/]+)/attempt_(?P<attempt>\d{1,9})/(?P<local_rank>\d{1,9})/error\.json$", re.DOTALL
)


def written_by(file: File, formats: Sequence[str], rules: Sequence[re.Pattern[str]] = ()) -> tuple[Writer, str] | None:
    """Tell who wrote a file and whether it is its `stdout` or `stderr`; None if its path does not say.

    `rules` are the user's own, with the named groups of `ranklog.launcher_files`; they come first.
    """
    candidates = [("none", rule) for rule in rules]
    candidates += [(name, rule) for name in formats if name in _RULES for rule in _RULES[name]]
    for launcher, rule in candidates:
        found = rule.search(file.path)
        if found is not None and (writer := _writer(launcher, found.groupdict(), file)) is not None:
            return writer, "stderr" if (found.groupdict().get("stream") or "").removeprefix(
                "std"
            ) == "err" else "stdout"
    return None


def error_file(file: File) -> Writer | None:
    """Tell whose exception is in a file of torchrun's; None if it is none of these files."""
    found = _ERROR_FILE.search(file.path)
    if found is None:
        return None
    return Writer(
        local_rank=int(found["local_rank"]), attempt=int(found["attempt"]), group=found["group"], launcher="torchrun"
    )


def _writer(launcher: str, groups: dict[str, str | None], file: File) -> Writer | None:
    rank, local_rank, attempt = (_number(groups.get(name)) for name in ("rank", "local_rank", "attempt"))
    if rank is None and local_rank is None:
        return None
    group = ""
    if rank is None:
        # <log-dir>/<id>_<random>/attempt_<n>/<local rank>/stdout.log: one such folder a node.
        group = file.path.split("/")[-4] if launcher == "torchrun" else f"place {file.place}"
    return Writer(
        rank,
        local_rank,
        attempt or 0,
        node=groups.get("node") or "",
        group=group,
        launcher="none" if launcher == "plain" else launcher,
        job=groups.get("job") or "",
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) <= _RANK_DIGITS_MAX else None
