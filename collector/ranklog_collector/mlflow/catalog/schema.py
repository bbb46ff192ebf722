"""The catalog's tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, String, Table, Text

VERSION = 3
METADATA = MetaData()

meta = Table("ranklog_catalog", METADATA, Column("version", Integer, primary_key=True))
experiments = Table(
    "ranklog_experiments",
    METADATA,
    Column("experiment_id", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("folder", Text, nullable=False, unique=True),
    Column("artifact_location", Text, nullable=False),
    Column("lifecycle_stage", String(16), nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("seen", Text, nullable=False),
)
experiment_tags = Table(
    "ranklog_experiment_tags",
    METADATA,
    Column("experiment_id", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
runs = Table(
    "ranklog_runs",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("experiment_id", Integer, nullable=False),
    Column("folder", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger),
    Column("lifecycle_stage", String(16), nullable=False),
    Column("artifact_uri", Text, nullable=False),
    Column("is_owned", Boolean, nullable=False),
    Column("child", Text, nullable=False),
    Column("models", Text, nullable=False),
    Column("seen", Text, nullable=False),
    Index("ranklog_runs_of_experiment", "experiment_id", "start_time"),
)


def _of_run(name: str, *columns: Column) -> Table:  # type: ignore[type-arg]
    """What a run has several of, by their keys."""
    return Table(
        f"ranklog_{name}",
        METADATA,
        Column("run_id", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        *columns,
        Index(f"ranklog_{name}_by_key", "key", "run_id"),
    )


params = _of_run("params", Column("value", Text, nullable=False))
tags = _of_run("tags", Column("value", Text, nullable=False))
metrics = _of_run(
    "metrics",
    Column("value", Double, nullable=False),
    Column("is_nan", Boolean, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
)
datasets = Table(
    "ranklog_datasets",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("context", Text),
    Column("source_type", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("schema", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Index("ranklog_datasets_by_name", "name", "digest"),
)
