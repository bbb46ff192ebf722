"""What was computed of a run's points, so that only what has changed since is computed anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

ROWS_MAX = 3_000_000
"""So many rows are remembered of one run, of about 90 bytes each."""

Table = dict[str, Any]
"""Columns of equal length."""


@dataclass(frozen=True, slots=True)
class Known:
    """A table, and how far it covers the streams that it is of: what that is, whoever asks knows."""

    table: Table
    covered: Mapping[int, int]


class Memory:
    """Tables by what was asked; the one that was asked for longest ago is forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Known] = OrderedDict()
        self._rows = 0

    def recall(self, question: Hashable) -> Known | None:
        """What is known of a question."""
        if question in self._known:
            self._known.move_to_end(question)
        return self._known.get(question)

    def remember(self, question: Hashable, known: Known) -> None:
        """Take the place of what was known before."""
        self._forget(question)
        self._known[question] = known
        self._rows += rows(known.table)
        while self._rows > ROWS_MAX and len(self._known) > 1:
            self._forget(next(iter(self._known)))

    def clear(self) -> None:
        """Forget everything: points that were there are there no more."""
        self._known.clear()
        self._rows = 0

    def _forget(self, question: Hashable) -> None:
        known = self._known.pop(question, None)
        self._rows -= rows(known.table) if known is not None else 0


def rows(table: Table) -> int:
    """How many rows a table has."""
    return len(next(iter(table.values()), ()))


def followed(table: Table, keep: Any, later: Table) -> Table:
    """Some rows of a table, by a slice, numbers or truth values, and those of another behind them."""
    return {name: np.concatenate((column[keep], later[name])) for name, column in table.items()}
