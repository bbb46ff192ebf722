"""How far a process is, by what it prints. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_STEP_MAX = 1 << 53
_COUNT = r"(\d{1,15})\b"
_KINDS = (
    # step 12, step: 12/100, global_step=12, iter 3, iteration 100/1000, [Rank 0] step=10
    (
        "step",
        re.compile(rf"\b(?:global[_ ]?)?(?:step|iteration|iter|batch)s?\b *[:=#]? *[\[(]? *{_COUNT}", re.IGNORECASE),
    ),
    # 37%|███▋      | 370/1000 [00:12<00:20, 31.2it/s]
    ("bar", re.compile(rf"\d+%\|[^|]*\| *{_COUNT}/\d+ *\[")),
    ("epoch", re.compile(rf"\bepochs?\b *[:=#]? *[\[(]? *{_COUNT}", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Step:
    """A count of work done; only counts of the same kind can be compared."""

    value: int
    kind: str
    """points (as the process logged it), step, bar or epoch."""


def printed_step(lines: Iterable[str]) -> Step | None:
    """Find the latest step that some lines of output speak of; steps come before bars, and these before epochs."""
    latest = list(lines)[::-1]
    for kind, pattern in _KINDS:
        for text in latest:
            found = None
            for found in pattern.finditer(text):  # noqa: B007 - the last one is used
                pass
            if found is not None and int(found[1]) < _STEP_MAX:
                return Step(int(found[1]), kind)
    return None
