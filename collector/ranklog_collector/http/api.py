"""The resources of a run under /api/v1."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from ranklog_collector.core.requests import StackRequest
from ranklog_collector.http import answers
from ranklog_collector.http.errors import JsonAnswer, error_answer
from ranklog_collector.http.events import EventStream, Watches
from ranklog_collector.http.sending import file_answer, zip_answer
from ranklog_collector.reading.archive import files, zipped
from ranklog_collector.reading.asking import ask
from ranklog_collector.reading.event_images import open_file
from ranklog_collector.reading.folder import NotThereError
from ranklog_collector.reading.inside import OutsideError
from ranklog_collector.reading.stacks import latest_stacks, stacks_of
from ranklog_collector.views import logs, runs
from ranklog_collector.views.files import file_views
from ranklog_collector.views.folders import Folders, Namings
from ranklog_collector.views.logs import log_page
from ranklog_collector.views.processes import process_views
from ranklog_collector.views.runs import run_page, run_view
from ranklog_collector.views.stacks import stacks_view
from ranklog_collector.views.verdict import verdict_view

PREFIX = "/api/v1"
PAGE_MAX = 1000
LINES_MAX = 10_000
RECORDS, RECORDS_MAX = 1000, 100_000
POINTS, POINTS_MAX = 1000, 100_000
NUMBER_MAX = 1 << 31
TEXT_MAX = 4096


def _run_name(
    request: Request,
    run: Annotated[str, Path(description="Its id, a unique prefix of that, experiment/id, `latest`, or a child's id.")],
) -> str:
    experiment = request.path_params.get("experiment")
    return run if experiment is None else f"{experiment}/{run}"


RunName = Annotated[str, Depends(_run_name)]
Cursor = Annotated[str | None, Query(description="Of an earlier answer, to go on behind it.")]
Prefix = Annotated[str, Query(description="Only paths that begin so.", max_length=TEXT_MAX)]
Text = Annotated[str | None, Query(max_length=TEXT_MAX)]
Key = Annotated[str, Query(max_length=TEXT_MAX)]
Rank = Annotated[int | None, Query(ge=0, le=NUMBER_MAX)]
Points = Annotated[int, Query(ge=2, le=POINTS_MAX, description="About so many are given.")]
Resources = Annotated[bool, Query(description="Of what agents observed, not of what was logged.")]
FAULTS: dict[int | str, dict[str, Any]] = {
    400: {"model": answers.Error, "description": "Asked wrongly."},
    401: {"model": answers.Error, "description": "The token is missing or wrong."},
    404: {"model": answers.Error, "description": "There is no such thing."},
    409: {"model": answers.Error, "description": "Several runs are meant."},
}


def api(folders: Folders) -> APIRouter:
    """All of it, over the runs of a root."""
    router = APIRouter(prefix=PREFIX, default_response_class=JsonAnswer, responses=FAULTS)
    _add_runs(router, folders)
    _add_files(router, folders)
    _add_logs(router, folders)
    _add_metrics(router, folders)
    _add_curves(router, folders)
    _add_events(router, folders)
    _add_stacks(router, folders)
    _add_run(router, folders)
    return router


def of_run(router: APIRouter, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
    """Add a resource of a run, which may also be named by experiment and id."""
    router.add_api_route(f"/runs/{{run}}{path}", endpoint, **options)
    router.add_api_route(f"/runs/{{experiment}}/{{run}}{path}", endpoint, include_in_schema=False)


def _add_runs(router: APIRouter, folders: Folders) -> None:
    namings = Namings()

    def list_runs(
        experiment: Text = None,
        state: Annotated[list[str] | None, Query(description="One of these states.")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = runs.LIMIT,
        cursor: Cursor = None,
    ) -> Response:
        """List runs, newest first."""
        return JsonAnswer(run_page(folders.entries(), experiment, state or (), limit, cursor, namings.of))

    router.add_api_route("/runs", list_runs, response_model=answers.Runs)


def _add_run(router: APIRouter, folders: Folders) -> None:
    def get_run(run: RunName) -> Response:
        """Tell all about a run, or about one of its child runs."""
        with folders.opened(run) as (folder, child):
            return JsonAnswer(run_view(folder, child))

    def list_processes(run: RunName) -> Response:
        """List the processes: where each runs, how it is or how it ended, and when it last said something."""
        with folders.opened(run) as (folder, _):
            return JsonAnswer({"processes": process_views(folder)})

    def get_verdict(run: RunName) -> Response:
        """Tell why the run is as it is: who failed first, what proves it, what was only a consequence."""
        with folders.opened(run, latest_marks=False) as (folder, _):
            return JsonAnswer(verdict_view(folder))

    of_run(router, "/processes", list_processes, response_model=answers.Processes)
    of_run(router, "/verdict", get_verdict, response_model=answers.Verdict)
    # Last: in /runs/{experiment}/{run} the latter must not be one of the names above.
    of_run(router, "", get_run, response_model=answers.Run)


def _add_files(router: APIRouter, folders: Folders) -> None:
    def list_files(run: RunName, prefix: Prefix = "") -> Response:
        """List the files."""
        with folders.opened(run) as (folder, _):
            return JsonAnswer({"files": file_views(folder, prefix)})

    def get_file(
        run: RunName,
        path: str,
        range_: Annotated[str | None, Header(alias="Range", description="One range of bytes.")] = None,
        if_range: Annotated[str | None, Header()] = None,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Send a file, as long as it is now."""
        entry, _ = folders.find(run)
        try:
            file = open_file(entry.path, path)
        except (FileNotFoundError, OutsideError, UnicodeEncodeError):
            raise NotThereError(f"run {entry.run_id} has no file {path!r}") from None
        except OSError as error:
            return error_answer(HTTPStatus.NOT_FOUND, f"{path!r} cannot be read: {error.strerror}")
        return file_answer(file, path, range_, if_range, if_none_match)

    def get_archive(run: RunName, prefix: Prefix = "") -> Response:
        """Send all files, or those that begin with `prefix`, as a zip."""
        with folders.opened(run) as (folder, _):
            chosen = [file for file in files(folder) if file.path.startswith(prefix)]
            if not chosen:
                raise NotThereError(f"run {folder.run_id} has no file that begins with {prefix!r}")
            return zip_answer(zipped(folder.path, chosen), f"{folder.run_id}.zip")

    content = {200: {"content": {"application/octet-stream": {}}, "description": "The bytes."}}
    partial = {206: {"description": "The part of it that Range names."}}
    beyond = {416: {"model": answers.Error, "description": "The file ends before that."}}
    zip_ = {200: {"content": {"application/zip": {}}, "description": "The zip."}}
    of_run(router, "/files", list_files, response_model=answers.Files)
    of_run(router, "/files/{path:path}", get_file, response_class=Response, responses={**content, **partial, **beyond})
    of_run(router, "/archive", get_archive, response_class=Response, responses=zip_)


def _add_metrics(router: APIRouter, folders: Folders) -> None:
    """Add what needs DuckDB and numpy, which are loaded when the first one asks: they take 50 MB."""

    def list_metrics(
        run: RunName, resources: Annotated[bool, Query(description="Also those of agents.")] = False
    ) -> Response:
        """List the metrics."""
        from ranklog_collector.views.metrics import metric_views

        with folders.opened(run) as (folder, child):
            return JsonAnswer({"metrics": metric_views(folder, child, resources)})

    def list_records(
        run: RunName,
        key: Text = None,
        rank: Rank = None,
        resources: Resources = False,
        limit: Annotated[int, Query(ge=1, le=RECORDS_MAX)] = RECORDS,
        cursor: Cursor = None,
    ) -> Response:
        """List the points as they were logged, in the order of time."""
        from ranklog_collector.views.metrics import record_page

        with folders.opened(run) as (folder, child):
            return JsonAnswer(record_page(folder, key, rank, child, limit, cursor, resources))

    of_run(router, "/metrics", list_metrics, response_model=answers.Metrics)
    of_run(router, "/metrics/records", list_records, response_model=answers.Records)


def _add_curves(router: APIRouter, folders: Folders) -> None:
    """Likewise."""

    def get_series(
        run: RunName,
        key: Key,
        rank: Rank = None,
        points: Points = POINTS,
        x: Annotated[Literal["step", "time"], Query(description="What the points are ordered by.")] = "step",
        resources: Resources = False,
    ) -> Response:
        """Give a metric of each process, thinned with its extremes kept."""
        from ranklog_collector.views.metrics import series_views

        with folders.opened(run) as (folder, child):
            return JsonAnswer({"series": series_views(folder, key, rank, child, points, x, resources)})

    def get_aggregate(
        run: RunName,
        key: Key,
        by: Annotated[Literal["step", "time"], Query(description="What a row stands for.")] = "step",
        points: Points = POINTS,
        resources: Resources = False,
    ) -> Response:
        """Give a metric over ranks, thinned with its extremes kept."""
        from ranklog_collector.views.metrics import aggregate_view

        with folders.opened(run) as (folder, child):
            return JsonAnswer(aggregate_view(folder, key, by, child, points, resources))

    of_run(router, "/metrics/series", get_series, response_model=answers.Series)
    of_run(router, "/metrics/aggregate", get_aggregate, response_model=answers.Aggregate)


def _add_events(router: APIRouter, folders: Folders) -> None:
    watches = Watches()

    async def get_events(
        run: RunName,
        last_event_id: Annotated[str | None, Header(description="Goes on behind the event of this id.")] = None,
    ) -> Response:
        """Tell of changes as they come, as server-sent events: run, processes, files, metrics, logs, and end."""
        entry, _ = await run_in_threadpool(folders.find, run)
        return EventStream(watches, entry.path, last_event_id)

    stream = {200: {"content": {"text/event-stream": {}}, "description": "Events, until the run has ended."}}
    over = {204: {"description": "The run has ended, and there is nothing behind Last-Event-ID."}}
    of_run(router, "/events", get_events, response_class=Response, responses={**stream, **over})


def _add_stacks(router: APIRouter, folders: Folders) -> None:
    def ask_for_stacks(
        run: RunName,
        question: answers.StacksQuestion,
        content_type: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        """Have the agents look at the stacks of the processes that live."""
        if content_type.partition(";")[0].strip().lower() != "application/json":
            # Any web page may have a browser send other types here.
            return error_answer(HTTPStatus.BAD_REQUEST, "say Content-Type: application/json")
        ranks = None if question.ranks is None else frozenset(question.ranks)
        request = StackRequest(secrets.token_hex(8), ranks, question.native, timeout_s=question.timeout_s)
        with folders.opened(run) as (folder, _):
            if not folder.is_live:
                return error_answer(HTTPStatus.CONFLICT, f"run {folder.run_id} does not go on: nobody can be asked")
            ask(folder, request)
        return JsonAnswer({"request": request.id}, HTTPStatus.ACCEPTED)

    def get_stacks(
        run: RunName, request: Annotated[str | None, Query(description="Those; else the last.", max_length=64)] = None
    ) -> Response:
        """Tell where the processes were: stacks folded over ranks, and the odd one out."""
        with folders.opened(run) as (folder, _):
            found = latest_stacks(folder) if request is None else stacks_of(folder, request)
            if found is None:
                raise NotThereError(f"run {folder.run_id} has no stacks{'' if request is None else ' of this request'}")
            return JsonAnswer(stacks_view(folder, found))

    accepted: dict[str, Any] = {"status_code": HTTPStatus.ACCEPTED, "response_model": answers.StacksAsked}
    of_run(router, "/stacks", ask_for_stacks, methods=["POST"], **accepted)
    of_run(router, "/stacks", get_stacks, response_model=answers.Stacks)


def _add_logs(router: APIRouter, folders: Folders) -> None:
    def list_lines(
        run: RunName,
        rank: Annotated[
            str | None, Query(description="Only these ranks.", examples=["0,3-5"], max_length=TEXT_MAX)
        ] = None,
        node: Annotated[
            list[str] | None, Query(description="Only these nodes: id, host name or IP; * matches.")
        ] = None,
        stream: Annotated[
            list[str] | None,
            Query(description="stdout, stderr, launcher, log, …, all; or the name or path of a file; * matches."),
        ] = None,
        grep: Annotated[str | None, Query(description="A regular expression of RE2.", max_length=TEXT_MAX)] = None,
        since: Annotated[str | None, Query(description="10m before the end, +90s after the start, or a time.")] = None,
        until: Text = None,
        level: Annotated[
            str | None, Query(description="Only lines that are so grave: debug, info, warning, error, critical.")
        ] = None,
        around: Annotated[
            str | None,
            Query(description="Within 5 s of a time or event: start, end, failure, lost, rank 3.", max_length=TEXT_MAX),
        ] = None,
        tail: Annotated[int | None, Query(ge=1, le=LINES_MAX, description="Begin with the last so many lines.")] = None,
        limit: Annotated[int, Query(ge=1, le=LINES_MAX)] = logs.LIMIT,
        cursor: Cursor = None,
    ) -> Response:
        """List lines of output, of all ranks in the order of time."""
        question = logs.Question(rank, tuple(node or ()), tuple(stream or ()), grep, since, until, level, around)
        with folders.opened(run, latest_marks=False) as (folder, _):
            return JsonAnswer(log_page(folder, question, limit, cursor, tail))

    of_run(router, "/logs", list_lines, response_model=answers.Lines)
