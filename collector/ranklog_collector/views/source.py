"""The runs of a folder, for the SDK (`ranklog.source.protocol`): what the HTTP API answers, without a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from ranklog.errors import RunFileError, RunNotFoundError, UnreachableError, UserError
from ranklog.source.protocol import EMPTY
from ranklog_collector.reading.event_images import open_file
from ranklog_collector.reading.folder import AmbiguousError, NotThereError, QuestionError, ReadingError, RunFolder
from ranklog_collector.reading.inside import OutsideError
from ranklog_collector.views.files import file_views
from ranklog_collector.views.folders import Folders, Namings
from ranklog_collector.views.logs import Question, log_page
from ranklog_collector.views.processes import process_views
from ranklog_collector.views.runs import run_page, run_view
from ranklog_collector.views.shapes import Json


class FolderSource:
    """The runs below `root`."""

    def __init__(self, root: str) -> None:
        self.url = f"file://{os.path.abspath(root)}"
        self._folders = Folders(root)
        self._namings = Namings()

    def runs(self, experiment: str | None = None) -> list[Json]:
        """All runs, or those of an experiment, newest first."""
        if not os.path.isdir(self._folders.root):
            return []
        with _told():
            entries = self._folders.entries()
            return list(run_page(entries, experiment, limit=len(entries) + 1, name=self._namings.of)["runs"])

    def run(self, run_id: str) -> Json:
        """One run."""
        with self._opened(run_id) as (folder, child):
            return run_view(folder, child)

    def processes(self, run_id: str) -> list[Json]:
        """The processes of a run."""
        with self._opened(run_id) as (folder, _):
            return process_views(folder)

    def verdict(self, run_id: str) -> Json:
        """Why a run is as it is."""
        from ranklog_collector.views.verdict import verdict_view

        with self._opened(run_id, latest_marks=False) as (folder, _):
            return verdict_view(folder)

    def files(self, run_id: str, prefix: str = "") -> list[Json]:
        """The files of a run whose paths begin with `prefix`."""
        with self._opened(run_id) as (folder, _):
            return file_views(folder, prefix)

    def file(self, run_id: str, path: str, start: int = 0) -> bytes:
        """A file's bytes from `start` on."""
        with _told():
            entry, _ = self._folders.find(run_id)
        try:
            file = open_file(entry.path, path)
        except (OSError, OutsideError, ValueError) as error:
            raise RunFileError(f"run {entry.run_id} has no file {path!r}: see get_file_names()") from error
        with os.fdopen(file, "rb") as opened:
            opened.seek(start)
            return opened.read()

    def records(self, run_id: str, key: str | None = None, rank: int | None = None) -> list[Json]:
        """All that was logged, in the order of time."""
        # It loads what it needs for computing, which takes longer than most of what is asked here.
        from ranklog_collector.series.read import UnknownMetricError, records

        with self._opened(run_id) as (folder, child):
            try:
                return [asdict(record) for record in records(folder, key, rank, child or None).records]
            except UnknownMetricError:
                return []

    def metrics(self, run_id: str) -> list[Json]:
        """The metrics of a run."""
        from ranklog_collector.views.metrics import metric_views

        with self._opened(run_id) as (folder, child):
            return metric_views(folder, child)

    def series(self, run_id: str, key: str, rank: int | None = None, points: int = 1000) -> list[Json]:
        """A metric of each process."""
        from ranklog_collector.series.selection import UnknownMetricError
        from ranklog_collector.views.metrics import series_views

        with self._opened(run_id) as (folder, child):
            try:
                return series_views(folder, key, rank, child, points)
            except UnknownMetricError:
                return []

    def aggregate(self, run_id: str, key: str, points: int = 1000) -> Json:
        """A metric over ranks."""
        from ranklog_collector.series.selection import UnknownMetricError
        from ranklog_collector.views.metrics import aggregate_view

        with self._opened(run_id) as (folder, child):
            try:
                return aggregate_view(folder, key, "step", child, points)
            except UnknownMetricError:
                return dict(EMPTY)

    def logs(
        self, run_id: str, cursor: str | None = None, rank: str | None = None, tail: int | None = None
    ) -> tuple[list[Json], str]:
        """The next lines of all ranks, or of some, and the cursor that goes on behind them."""
        with self._opened(run_id, latest_marks=False) as (folder, _):
            page = log_page(folder, Question(rank), cursor=cursor, tail=None if cursor else tail)
            return page["lines"], page["cursor"]

    @contextmanager
    def _opened(self, run_id: str, latest_marks: bool = True) -> Iterator[tuple[RunFolder, str]]:
        with _told(), self._folders.opened(run_id, latest_marks) as opened:
            yield opened


@contextmanager
def _told() -> Iterator[None]:
    """Raise what the SDK's callers know for what the reader library raises."""
    try:
        yield
    except NotThereError as error:
        raise RunNotFoundError(str(error)) from error
    except (AmbiguousError, QuestionError) as error:
        raise UserError(str(error)) from error
    except ReadingError as error:
        raise UnreachableError(str(error)) from error
