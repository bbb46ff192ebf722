"""Searches as SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from ranklog.mlflow_api.errors import invalid
from ranklog_collector.mlflow.catalog import schema as db
from ranklog_collector.mlflow.filters import ATTRIBUTE, DATASET, METRIC, PARAM, TAG, Comparison
from ranklog_collector.mlflow.ordering import Order

Condition = sa.ColumnElement[bool]
_TABLES = {METRIC: db.metrics, PARAM: db.params, TAG: db.tags}
_OPERATORS: dict[str, Callable[[Any, Any], Condition]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "LIKE": lambda column, value: column.like(value),
    "ILIKE": lambda column, value: column.ilike(value),
    "IN": lambda column, value: column.in_(value),
    "NOT IN": lambda column, value: column.not_in(value),
}
_RUN_COLUMNS = {"run_name": "name"}
_LAST = 2
_ID = re.compile(r"-?[0-9]{1,9}")


def runs_query(
    experiment_ids: Sequence[int], stages: Sequence[str], filters: Sequence[Comparison], orders: Sequence[Order]
) -> sa.Select[Any]:
    """Ask for the ids of runs."""
    runs = db.runs
    query = sa.select(runs.c.run_id).where(
        runs.c.experiment_id.in_(experiment_ids), runs.c.lifecycle_stage.in_(stages), *map(_of_run, filters)
    )
    for number, order in enumerate(orders):
        if order.entity == ATTRIBUTE:
            column = runs.c[_RUN_COLUMNS.get(order.key, order.key)]
            rank = sa.case((column.is_(None), _LAST), else_=0)
        else:
            table = _TABLES[order.entity].alias(f"ordered_{number}")
            query = query.outerjoin(table, sa.and_(table.c.run_id == runs.c.run_id, table.c.key == order.key))
            column = table.c.value
            rank = sa.case((column.is_(None), _LAST), else_=0)
            if order.entity == METRIC:
                rank = sa.case((table.c.is_nan, 1), (column.is_(None), _LAST), else_=0)
        query = query.order_by(rank, column if order.is_ascending else column.desc())
    return query


def experiments_query(stages: Sequence[str], filters: Sequence[Comparison], orders: Sequence[Order]) -> sa.Select[Any]:
    """Ask for the ids of experiments."""
    table = db.experiments
    query = sa.select(table.c.experiment_id).where(table.c.lifecycle_stage.in_(stages), *map(_of_experiment, filters))
    for order in orders:
        column = table.c[order.key]
        query = query.order_by(column if order.is_ascending else column.desc())
    return query


def experiment_id(text: str) -> int:
    """Read an experiment's id. Raises MlflowError."""
    if not _ID.fullmatch(text):
        raise invalid(f"Invalid experiment ID '{text}'. Experiment ID must be a valid integer.")
    return int(text)


def _of_run(one: Comparison) -> Condition:
    runs = db.runs
    compare = _OPERATORS.get(one.operator)
    if one.entity == ATTRIBUTE:
        assert compare is not None
        return compare(runs.c[_RUN_COLUMNS.get(one.key, one.key)], one.value)
    if one.entity == DATASET:
        assert compare is not None
        of_run = db.datasets.c.run_id == runs.c.run_id
        return sa.exists().where(of_run, compare(db.datasets.c[one.key], one.value))
    table = _TABLES[one.entity]
    conditions = [table.c.run_id == runs.c.run_id, table.c.key == one.key]
    if one.entity == METRIC and one.operator != "!=":
        conditions.append(sa.not_(table.c.is_nan))
    return _exists(conditions, table, one)


def _of_experiment(one: Comparison) -> Condition:
    table = db.experiments
    if one.entity == TAG:
        tags = db.experiment_tags
        return _exists([tags.c.experiment_id == table.c.experiment_id, tags.c.key == one.key], tags, one)
    value = one.value
    if one.key == "experiment_id":
        value = tuple(map(experiment_id, value)) if isinstance(value, tuple) else experiment_id(value)
    return _OPERATORS[one.operator](table.c[one.key], value)


def _exists(conditions: list[Condition], table: sa.Table, one: Comparison) -> Condition:
    if one.operator == "IS NULL":
        return sa.not_(sa.exists().where(*conditions))
    if one.operator != "IS NOT NULL":
        conditions.append(_OPERATORS[one.operator](table.c.value, one.value))
    return sa.exists().where(*conditions)
