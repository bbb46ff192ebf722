"""Columns for a notebook, as Arrow, pandas or polars have them; none of these is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from ranklog_collector.reading.folder import ReadingError

_SHOWN = 5


class MissingPackageError(ReadingError):
    """What a frame is asked to become is not installed."""


class Frame:
    """Columns of equal length: arrays of numpy, or lists in which a value may be None."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.columns = dict(columns)

    def __len__(self) -> int:
        """How many rows."""
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> Any:
        """One column."""
        return self.columns[name]

    def __repr__(self) -> str:
        """What it is, and how to get more of it."""
        names = ", ".join(self.columns)
        return f"<{len(self)} rows of {names}; .pandas(), .polars() and .arrow() show them>"

    def rows(self) -> list[dict[str, Any]]:
        """Every row as a dictionary."""
        lists = [_plain(column) for column in self.columns.values()]
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*lists, strict=True)]

    def arrow(self) -> Any:
        """As a pyarrow.Table. Raises MissingPackageError."""
        return _package("pyarrow").table(self.columns)

    def pandas(self) -> Any:
        """As a pandas.DataFrame. Raises MissingPackageError."""
        pandas = _package("pandas")
        return pandas.DataFrame({name: _nullable(pandas, column) for name, column in self.columns.items()})

    def polars(self) -> Any:
        """As a polars.DataFrame. Raises MissingPackageError."""
        return _package("polars").DataFrame(self.columns, strict=False)


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(f"{name} is not installed: pip install {name}, or 'ranklog[notebook]'") from error


def _plain(column: Any) -> Sequence[Any]:
    return column.tolist() if isinstance(column, np.ndarray) and column.dtype.kind != "M" else list(column)


def _nullable(pandas: Any, column: Any) -> Any:
    """Integers of which some are missing stay integers."""
    if isinstance(column, list) and column and all(one is None or type(one) is int for one in column):
        return pandas.array(column, dtype="Int64")
    return column
