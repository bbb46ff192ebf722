"""What `get_metrics` gives, from records. Pure. Shapes are azureml-core's: what was logged once comes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

FILES = frozenset(("image", "confusion_matrix", "accuracy_table", "predictions", "residuals"))
"""Kinds that are stored as files; their value is the path."""
ADDRESS = "aml://artifactId/ExperimentRun/dcid."

TABLES = frozenset(("row", "table"))
Record = Mapping[str, Any]
Column = list[Any]
Load = Callable[[str, str, str], Any]


def metrics(records: Iterable[Record], run_id: str, load: Load | None = None) -> dict[str, Any]:
    """Give each metric's values in the order of the records.

    `load` makes of run id, kind and path of a file what is to stand for it; without it the file's address does.
    """
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["key"], []).append(record)
    given: dict[str, Any] = {}
    for name, group in found.items():
        tables = [table for record in group if (table := _table(name, record, run_id, load or address))]
        columns = {column: _alone(_unified(values)) for column, values in _appended(tables).items()}
        if any(record["kind"] in TABLES for record in group):
            # A value among rows is a row with one column, named like the metric.
            given |= {name: columns} if columns else {}
        else:
            given |= columns
    return given


def address(run_id: str, kind: str, path: str) -> str:
    """The address of a file of a run, in azureml's form."""
    del kind
    return f"{ADDRESS}{run_id}/{path}"


def _table(name: str, record: Record, run_id: str, load: Load) -> dict[str, Column]:
    """A record as columns; without rows there are none."""
    kind, value = record["kind"], record["value"]
    if kind == "row":
        return {column: [cell] for column, cell in value.items()}
    if kind == "table":
        return {column: list(cells) for column, cells in value.items()} if any(value.values()) else {}
    if kind == "list":
        return {name: list(value)} if value else {}
    return {name: [load(run_id, kind, value) if kind in FILES else value]}


def _appended(tables: Sequence[dict[str, Column]]) -> dict[str, Column]:
    """Put tables below each other; None stands where one lacks a column."""
    whole: dict[str, Column] = {name: [] for table in tables for name in table}
    for table in tables:
        height = max(map(len, table.values()))
        for name, values in whole.items():
            cells = table.get(name, [])
            values += [*cells, *[None] * (height - len(cells))]
    return whole


def _unified(values: Column) -> Column:
    """Make a column of integers and floats one of floats."""
    has_float = any(type(value) is float for value in values)
    if has_float and all(type(value) in (int, float) or value is None for value in values):
        return [value if value is None else float(value) for value in values]
    return values


def _alone(values: Column) -> Any:
    return values[0] if len(values) == 1 else values
