"""The catalog's database. For one thread at a time."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ranklog_collector.mlflow.catalog import schema as db
from ranklog_collector.mlflow.catalog.delta import Delta, Row
from ranklog_collector.mlflow.catalog.search import experiments_query, runs_query
from ranklog_collector.mlflow.filters import Comparison
from ranklog_collector.mlflow.ordering import Order
from ranklog_collector.mlflow.run import Dataset, Info, Run
from ranklog_collector.mlflow.shapes import Experiment

_CHUNK = 500
"""So many ids are asked for at once."""
_INFO = [column.name for column in db.runs.columns]


log = logging.getLogger("ranklog.http")


class CatalogError(Exception):
    """The catalog cannot be used; the message says why."""


class Catalog:
    """A database by its URL. Raises CatalogError."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = sa.create_engine(
                url, pool_size=1, max_overflow=0, pool_pre_ping=not url.startswith("sqlite")
            )
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _set_up_sqlite)
            elif self._engine.dialect.name != "postgresql":
                raise CatalogError(f"the catalog can be in SQLite or PostgreSQL, not in {self._engine.dialect.name}")
            self._prepare()
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise CatalogError(f"the catalog cannot be opened: {error}") from error

    def close(self) -> None:
        """Let go of it."""
        self._engine.dispose()

    # ---- written ----------------------------------------------------------------------------------------------------

    def save(self, deltas: Sequence[Delta]) -> None:
        """Take in what is new of runs. What the database cannot hold is left out, run by run."""
        try:
            self._save(deltas)
        except sa.exc.OperationalError:
            raise  # the database does not answer
        except (sa.exc.SQLAlchemyError, OverflowError, UnicodeError) as error:
            if len(deltas) == 1:
                log.warning("run %s cannot be searched for: %s", deltas[0].run_id, error)
                return
            for one in deltas:
                self.save([one])

    def _save(self, deltas: Sequence[Delta]) -> None:
        with self._engine.begin() as connection:
            _upsert(connection, db.runs, [one.info for one in deltas if one.info is not None])
            _upsert(connection, db.params, [row for one in deltas for row in one.params])
            for one in deltas:
                if one.removed_tags:
                    gone = sa.and_(db.tags.c.run_id == one.run_id, db.tags.c.key.in_(one.removed_tags))
                    connection.execute(sa.delete(db.tags).where(gone))
                if one.datasets is not None:
                    connection.execute(sa.delete(db.datasets).where(db.datasets.c.run_id == one.run_id))
            _upsert(connection, db.tags, [row for one in deltas for row in one.tags])
            _upsert(connection, db.metrics, [row for one in deltas for row in one.metrics])
            _upsert(connection, db.datasets, [row for one in deltas for row in one.datasets or ()])

    def save_experiment(self, one: Experiment, seen: str) -> None:
        """Take in an experiment as it is now."""
        row = {name: value for name, value in asdict(one).items() if name != "tags"}
        tags = [{"experiment_id": one.experiment_id, "key": key, "value": value} for key, value in one.tags.items()]
        with self._engine.begin() as connection:
            _upsert(connection, db.experiments, [{**row, "seen": seen}])
            of = db.experiment_tags.c.experiment_id == one.experiment_id
            connection.execute(sa.delete(db.experiment_tags).where(of))
            _upsert(connection, db.experiment_tags, tags)

    def forget_experiment(self, experiment_id: int) -> None:
        """Remove an experiment whose folder is gone."""
        with self._engine.begin() as connection:
            for table in (db.experiments, db.experiment_tags):
                connection.execute(sa.delete(table).where(table.c.experiment_id == experiment_id))

    def forget_runs(self, run_ids: Iterable[str]) -> None:
        """Remove runs whose folders are gone."""
        with self._engine.begin() as connection:
            for chunk in _chunks(list(run_ids)):
                for table in (db.runs, db.params, db.tags, db.metrics, db.datasets):
                    connection.execute(sa.delete(table).where(table.c.run_id.in_(chunk)))

    # ---- read -------------------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> Run | None:
        """A run, or None if it is not known."""
        with self._engine.connect() as connection:
            found = self._runs(connection, [run_id])
        return found[0] if found else None

    def search_runs(
        self,
        experiment_ids: Sequence[int],
        stages: Sequence[str],
        filters: Sequence[Comparison],
        orders: Sequence[Order],
        offset: int,
        limit: int,
    ) -> list[Run]:
        """Some of the runs that match, in order."""
        query = runs_query(experiment_ids, stages, filters, orders).offset(offset).limit(limit)
        with self._engine.connect() as connection:
            return self._runs(connection, [str(row[0]) for row in connection.execute(query)])

    def search_experiments(
        self, stages: Sequence[str], filters: Sequence[Comparison], orders: Sequence[Order], offset: int, limit: int
    ) -> list[Experiment]:
        """Some of the experiments that match, in order."""
        query = experiments_query(stages, filters, orders).offset(offset).limit(limit)
        with self._engine.connect() as connection:
            ids = [int(row[0]) for row in connection.execute(query)]
            found = {one.experiment_id: one for chunk in _chunks(ids) for one in self._experiments(connection, chunk)}
        return [found[number] for number in ids]

    def experiments(self) -> list[tuple[Experiment, str]]:
        """All experiments, each with how far its record had been seen."""
        with self._engine.connect() as connection:
            seen = dict(connection.execute(sa.select(db.experiments.c.experiment_id, db.experiments.c.seen)).all())
            found = [one for chunk in _chunks(sorted(seen)) for one in self._experiments(connection, chunk)]
        return [(one, seen[one.experiment_id]) for one in found]

    def seen_runs(self) -> dict[str, tuple[str, str]]:
        """Of each run its folder, and how far that had been seen."""
        columns = (db.runs.c.run_id, db.runs.c.folder, db.runs.c.seen)
        with self._engine.connect() as connection:
            return {run_id: (folder, seen) for run_id, folder, seen in connection.execute(sa.select(*columns))}

    def dataset(self, experiment_id: int, name: str, digest: str) -> Dataset | None:
        """What the first run of an experiment that uses a dataset said of it."""
        table = db.datasets
        query = (
            sa.select(table)
            .join(db.runs, db.runs.c.run_id == table.c.run_id)
            .where(db.runs.c.experiment_id == experiment_id, table.c.name == name, table.c.digest == digest)
            .order_by(db.runs.c.start_time, table.c.run_id)
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _dataset(row)

    def dataset_summaries(self, experiment_ids: Sequence[int]) -> list[tuple[int, str, str, str | None]]:
        """The datasets that runs of experiments use: experiment, name, digest and context."""
        table = db.datasets
        query = (
            sa.select(db.runs.c.experiment_id, table.c.name, table.c.digest, table.c.context)
            .join(db.runs, db.runs.c.run_id == table.c.run_id)
            .where(db.runs.c.experiment_id.in_(experiment_ids), db.runs.c.lifecycle_stage == "active")
            .distinct()
            .order_by(table.c.name, table.c.digest)
            .limit(1000)
        )
        with self._engine.connect() as connection:
            return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make the tables; those of another version are made anew, since all can be made again."""
        with self._engine.begin() as connection:
            version = None
            if sa.inspect(connection).has_table(db.meta.name):
                version = connection.execute(sa.select(db.meta.c.version)).scalar()
            if version != db.VERSION:
                db.METADATA.drop_all(connection)
                db.METADATA.create_all(connection)
                connection.execute(sa.insert(db.meta).values(version=db.VERSION))

    def _experiments(self, connection: sa.Connection, ids: Sequence[int]) -> list[Experiment]:
        columns = [column for column in db.experiments.columns if column.name != "seen"]
        rows = connection.execute(sa.select(*columns).where(db.experiments.c.experiment_id.in_(ids))).mappings()
        found = {row["experiment_id"]: Experiment(**row) for row in rows}
        tags = sa.select(db.experiment_tags).where(db.experiment_tags.c.experiment_id.in_(ids))
        for number, key, value in connection.execute(tags):
            if number in found:
                found[number].tags[key] = value
        return list(found.values())

    def _runs(self, connection: sa.Connection, run_ids: Sequence[str]) -> list[Run]:
        """The runs of these ids that there are, in this order."""
        found: dict[str, Run] = {}
        for chunk in _chunks(run_ids):
            for row in connection.execute(sa.select(db.runs).where(db.runs.c.run_id.in_(chunk))).mappings():
                found[row["run_id"]] = Run(Info(**{name: row[name] for name in _INFO}))
            for run_id, key, value in connection.execute(_of_runs(db.params, chunk)):
                found[run_id].params[key] = value
            for run_id, key, value in connection.execute(_of_runs(db.tags, chunk)):
                found[run_id].tags[key] = value
            for run_id, key, value, is_nan, step, timestamp in connection.execute(_of_runs(db.metrics, chunk)):
                found[run_id].metrics[key] = (step, timestamp, math.nan if is_nan else value)
            places = _of_runs(db.datasets, chunk).order_by(db.datasets.c.place)
            for row in connection.execute(places).mappings():
                found[row["run_id"]].datasets[row["name"], row["digest"]] = _dataset(row)
        return [found[run_id] for run_id in run_ids if run_id in found]


def _of_runs(table: sa.Table, run_ids: Sequence[str]) -> sa.Select[Any]:
    """What known runs have of a table."""
    return sa.select(table).join(db.runs, db.runs.c.run_id == table.c.run_id).where(table.c.run_id.in_(run_ids))


def _dataset(row: Any) -> Dataset:
    tags: dict[str, str] = {}
    with suppress(orjson.JSONDecodeError):
        tags = orjson.loads(row["tags"])
    texts = (row["source_type"], row["source"], row["schema"], row["profile"])
    return Dataset(row["name"], row["digest"], *texts, tags)


def _upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> None:
    """Insert rows; one whose key is there takes the place of what is there."""
    if not rows:
        return
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    insert = make(table)
    keys = [column.name for column in table.primary_key]
    values = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=values), list(rows))


def _chunks(ids: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (ids[at : at + _CHUNK] for at in range(0, len(ids), _CHUNK))


def _set_up_sqlite(connection: Any, _: Any) -> None:
    for setting in ("journal_mode = WAL", "synchronous = OFF", "case_sensitive_like = ON", "cache_size = -8000"):
        connection.execute(f"PRAGMA {setting}")
