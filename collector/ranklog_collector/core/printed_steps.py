"""How far a process has come, by a line that it prints. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

STEP_MAX = 1 << 53
_COUNT = r"(\d{1,15})\b"
_PATTERNS = (
    # step 12, step: 12/100, global_step=12, iter 3, iteration 100/1000, [Rank 0] step=10
    re.compile(rf"\b(?:global[_ ]?)?(?:step|iteration|iter|batch)s?\b *[:=#]? *[\[(]? *{_COUNT}", re.IGNORECASE),
    # 37%|███▋      | 370/1000 [00:12<00:20, 31.2it/s]
    re.compile(rf"\d+%\|[^|]*\| *{_COUNT}/\d+ *\["),
    re.compile(rf"\bepochs?\b *[:=#]? *[\[(]? *{_COUNT}", re.IGNORECASE),
)


@dataclass(frozen=True, slots=True)
class Printed:
    """The counts that a line speaks of, of each kind the last."""

    step: int | None
    bar: int | None
    """Of a progress bar."""
    epoch: int | None


def printed(text: str) -> Printed:
    """Find them."""
    return Printed(*(_last(pattern, text) for pattern in _PATTERNS))


def _last(pattern: re.Pattern[str], text: str) -> int | None:
    found = None
    for found in pattern.finditer(text):  # noqa: B007 - the last one is used
        pass
    return int(found[1]) if found is not None and int(found[1]) < STEP_MAX else None
