"""Jobs that were broken on purpose: what was done to each, and how near a verdict comes to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from ranklog_collector.core.verdict.finding import Verdict

RECORDS = "injections.jsonl"


@dataclass(frozen=True)
class Injection:
    """One job, and the truth about it."""

    folder: str
    """The run folder."""
    failure: str
    rank: int | None
    """Whose fault it is; None if it is its node's."""
    node: str
    categories: tuple[str, ...]
    """What a verdict may call it."""
    blamed: tuple[int | None, ...] = ()
    """The ranks that the job's launchers themselves blame, in the order of their hosts."""


class Mark(str, Enum):
    """How a verdict does."""

    RIGHT = "right"
    TIE = "tie"
    """The right one, among others between which it cannot decide."""
    MISNAMED = "misnamed"
    """The right rank and node, of the wrong category."""
    UNKNOWN = "unknown"
    """It accuses nobody."""
    WRONG = "wrong"
    """It accuses somebody else, and not the one who did it."""


def write_injection(folder: Path, injection: Injection) -> Injection:
    """Note it beside the run folders, and give it back."""
    with (folder / RECORDS).open("a") as file:
        file.write(json.dumps(asdict(injection)) + "\n")
    return injection


def read_injections(folder: Path) -> Iterator[Injection]:
    """All that were noted."""
    for line in (folder / RECORDS).read_text().splitlines():
        fields = json.loads(line)
        yield Injection(**{**fields, "categories": tuple(fields["categories"]), "blamed": tuple(fields["blamed"])})


def mark(verdict: Verdict, truth: Injection) -> Mark:
    """Compare a verdict with the truth."""
    if not verdict.culprits:
        return Mark.UNKNOWN
    found = [one for one in verdict.culprits if (one.rank, one.node) == (truth.rank, truth.node)]
    if not found or (len(verdict.culprits) > 1 and not verdict.is_tie):
        return Mark.WRONG
    if found[0].category.value not in truth.categories:
        return Mark.MISNAMED
    return Mark.TIE if len(verdict.culprits) > 1 else Mark.RIGHT
