"""How far a process is, by what it prints. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ranklog_collector.core.printed_steps import printed

_KINDS = ("step", "bar", "epoch")


@dataclass(frozen=True, slots=True)
class Step:
    """A count of work done; only counts of the same kind can be compared."""

    value: int
    kind: str
    """points (as the process logged it), step, bar or epoch."""


def printed_step(lines: Iterable[str]) -> Step | None:
    """Find the latest step that some lines of output speak of; steps come before bars, and these before epochs."""
    latest = [printed(text) for text in lines][::-1]
    for kind in _KINDS:
        value = next((value for found in latest if (value := getattr(found, kind)) is not None), None)
        if value is not None:
            return Step(value, kind)
    return None
