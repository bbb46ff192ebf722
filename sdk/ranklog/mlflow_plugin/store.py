"""MLflow's tracking store on ranklog: what is logged goes to the spool, what is asked elsewhere to a collector.

Everything that is neither logging nor reading the own run is MLflow's own REST client's.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mlflow.entities import Experiment, Metric, Param, Run, RunInfo, RunStatus, RunTag, ViewType
from mlflow.environment_variables import MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from mlflow.utils.search_utils import SearchExperimentsUtils, SearchUtils

from ranklog.errors import RanklogError, UnreachableError
from ranklog.identity import setting
from ranklog.mlflow_api import fields, limits
from ranklog.mlflow_api import metrics as checked
from ranklog.mlflow_api.datasets import datasets as datasets_of
from ranklog.mlflow_api.errors import INVALID, MISSING, NOT_IMPLEMENTED, MlflowError
from ranklog.mlflow_api.ids import DEFAULT_FOLDER, experiment_folder, experiment_id
from ranklog.mlflow_api.known import Known
from ranklog.mlflow_plugin import elsewhere, entities, files
from ranklog.mlflow_plugin.address import SCHEME, parse
from ranklog.mlflow_plugin.artifacts_uri import ARTIFACTS, absolute, artifacts_uri
from ranklog.mlflow_plugin.collector import answers
from ranklog.mlflow_plugin.experiments import Experiments
from ranklog.mlflow_plugin.owned import Own, Owned
from ranklog.source.protocol import Source
from ranklog.source.spool import SpoolSource
from ranklog.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])


def exception(code: str, text: str) -> MlflowException:
    """Give MLflow's exception with one of its error codes."""
    return MlflowException(text, ErrorCode.Value(code))


def in_mlflows_words(function: F) -> F:
    """Let a call raise MLflow's exception instead of ours."""

    @functools.wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except MlflowError as error:
            raise exception(error.code, str(error)) from None
        except RanklogError as error:
            raise exception(INVALID, str(error)) from error

    return call  # type: ignore[return-value]


class RanklogStore(RestStore):  # type: ignore[misc]
    """Runs under a tracking URI `ranklog://…`."""

    @in_mlflows_words
    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        del artifact_uri
        address = parse(store_uri)
        self._url = (address.url or (None if address.root else setting(os.environ, "RANKLOG_URL")) or "").rstrip("/")
        self._workspace = Workspace(url=self._url or None, root=address.root)
        self.owned = Owned(self._workspace)
        self._experiments = Experiments(self._workspace, is_local=not self._url)
        super().__init__(self._credentials)
        if not self._url:  # there is no page to point at
            os.environ.setdefault(MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.name, "true")

    # ---- logging ----------------------------------------------------------------------------------------------------

    @in_mlflows_words
    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log a value: one write to a file."""
        found = self.owned.find(run_id)
        if found is None:
            super().log_metric(run_id, metric)
            return
        found.logbook.log_metric(found.run_id, checked.metric(entities.metric_fields(metric)))

    @in_mlflows_words
    def log_batch(
        self, run_id: str, metrics: Sequence[Metric] = (), params: Sequence[Param] = (), tags: Sequence[RunTag] = ()
    ) -> None:
        """Log several values, parameters and tags, all or nothing."""
        found = self.owned.find(run_id)
        if found is None:
            super().log_batch(run_id, metrics, params, tags)
            return
        limits.check_batch(len(metrics), len(params), len(tags))
        limits.check_unique([each.key for each in params])
        asked = {"params": entities.pairs(params), "tags": entities.pairs(tags)}
        found.logbook.log(
            found.run_id,
            checked.metrics([entities.metric_fields(each) for each in metrics]),
            fields.pairs(asked, "params", limits.param),
            fields.pairs(asked, "tags", limits.tag),
        )

    def log_param(self, run_id: str, param: Param) -> None:
        """Log a parameter. One that has another value already is refused."""
        self.log_batch(run_id, params=[param])

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set a tag."""
        self.log_batch(run_id, tags=[tag])

    @in_mlflows_words
    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag away."""
        found = self.owned.find(run_id)
        if found is None:
            super().delete_tag(run_id, key)
            return
        found.logbook.delete_tag(found.run_id, key)

    @in_mlflows_words
    def log_inputs(self, run_id: str, datasets: Any = None, models: Any = None) -> None:
        """Say which datasets a run reads. Logged models are the collector's matter."""
        found = self.owned.find(run_id)
        if found is None:
            super().log_inputs(run_id, datasets, models)
            return
        asked = {"datasets": [entities.dataset_fields(each) for each in datasets or ()]}
        found.logbook.log_inputs(found.run_id, datasets_of(asked))

    # ---- runs -------------------------------------------------------------------------------------------------------

    @in_mlflows_words
    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: Sequence[RunTag], run_name: str | None
    ) -> Run:
        """Begin a run: inside a job the job's run, after that its child runs; else a run of one's own."""
        if self._is_for_others:
            return super().create_run(experiment_id, user_id, start_time, tags, run_name)
        told = fields.pairs({"tags": entities.pairs(tags or ())}, "tags", limits.tag)
        name = self._experiments.name(str(experiment_id)) or DEFAULT_FOLDER
        return self._own_run(self.owned.begin(name, told, run_name))

    @in_mlflows_words
    def update_run_info(
        self, run_id: str, run_status: int | None, end_time: int | None, run_name: str | None
    ) -> RunInfo:
        """Say how a run is doing. The state of a run that a launcher owns is the launcher's to tell."""
        found = self.owned.find(run_id)
        if found is None:
            return super().update_run_info(run_id, run_status, end_time, run_name)
        status = None if run_status is None else RunStatus.to_string(run_status)
        known = found.logbook.update(found.run_id, status, run_name)
        if known.ended_ns is not None:
            self.owned.end(known)
        return self._own_run(found).info

    @in_mlflows_words
    def get_run(self, run_id: str) -> Run:
        """Give a run: an own one from the spool, another one from where runs are read."""
        found = self.owned.find(run_id)
        if found is not None:
            return self._own_run(found)
        if self._url:
            return absolute(super().get_run(run_id), self._url)
        known, experiment = self._elsewhere(run_id)
        return entities.run(known, experiment, artifacts_uri(known.run_id))

    @in_mlflows_words
    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Metric]:
        """Give all values of a metric in the order of time."""
        found = self.owned.find(run_id)
        if found is None and self._url:
            return super().get_metric_history(run_id, metric_key, max_results, page_token)
        values = [] if found is None else found.logbook.runs.history(found.run_id, metric_key)
        if not values:  # perhaps it is at home already
            own = found.run_id if found else self._elsewhere(run_id)[0].run_id
            values = elsewhere.history(self._workspace.source, own, metric_key)
        page, token = SearchUtils.paginate(entities.metrics(values), page_token, max_results or len(values) or 1)
        return PagedList(page, token)

    @in_mlflows_words
    def _search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int,
        order_by: Sequence[str] | None,
        page_token: str | None,
    ) -> tuple[list[Run], str | None]:
        if self._url:
            runs, token = super()._search_runs(
                experiment_ids, filter_string, run_view_type, max_results, order_by, page_token
            )
            return [absolute(run, self._url) for run in runs], token
        names = [] if run_view_type == ViewType.DELETED_ONLY else map(self._experiments.name, map(str, experiment_ids))
        found = [
            entities.run(known, name, artifacts_uri(known.run_id))
            for name in names
            if name is not None
            for known in elsewhere.runs(self._workspace.source, experiment_folder(name))
        ]
        chosen = SearchUtils.sort(SearchUtils.filter(found, filter_string), order_by)
        return SearchUtils.paginate(chosen, page_token, max_results)  # type: ignore[no-any-return]

    def search_logged_models(self, *arguments: Any, **keywords: Any) -> PagedList[Any]:
        """Search models at the collector; there are none without one. Reading and adding to an own file asks this."""
        if not self._url or not answers(self._url):
            return PagedList([], None)
        return super().search_logged_models(*arguments, **keywords)

    # ---- files ------------------------------------------------------------------------------------------------------

    @in_mlflows_words
    def keep_file(self, run_id: str, path: str, local: str) -> None:
        """Store a copy of a file, if the run is one that this process writes."""
        found = self.owned.find(run_id)
        if found is None:
            raise MlflowError(INVALID, f"Run {run_id} is not written here: its files are stored by its own processes")
        found.logbook.keep(found.run_id, path, local)

    @in_mlflows_words
    def files(self, run_id: str) -> dict[str, int]:
        """Give paths and sizes of a run's files."""
        return files.listing(*self._places_of(run_id))

    @in_mlflows_words
    def file(self, run_id: str, path: str) -> bytes | None:
        """Give a file's bytes; None if there is none."""
        return files.content(*self._places_of(run_id), path)

    # ---- experiments ------------------------------------------------------------------------------------------------

    @in_mlflows_words
    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> str:
        """Give an experiment's id. Its first run makes it."""
        if self._is_for_others:
            return str(super().create_experiment(name, artifact_location, tags))
        return self._experiments.add(limits.experiment_name(fields.text({"name": name}, "name")))

    @in_mlflows_words
    def get_experiment(self, experiment_id: str) -> Experiment:
        """Give an experiment."""
        name = self._experiments.name(str(experiment_id))
        if name is None and self._url:
            return super().get_experiment(experiment_id)
        if name is None:
            raise MlflowError(MISSING, f"No Experiment with id={experiment_id} exists")
        return entities.experiment(name, ARTIFACTS)

    @in_mlflows_words
    def get_experiment_by_name(self, experiment_name: str) -> Experiment | None:
        """Give an experiment; None if there is none. In a job there is every experiment, for its run is in it."""
        if self._is_for_others:
            return super().get_experiment_by_name(experiment_name)
        if self.owned.is_in_job:
            self._experiments.add(experiment_name)
        name = self._experiments.name(experiment_id(experiment_name))
        return None if name is None else entities.experiment(name, ARTIFACTS)

    @in_mlflows_words
    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = None,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Search the experiments of a collector, or those in a folder."""
        if self._url:
            return super().search_experiments(view_type, max_results, filter_string, order_by, page_token)
        there = [entities.experiment(name, ARTIFACTS) for name in self._experiments.names()]
        found = [] if view_type == ViewType.DELETED_ONLY else SearchExperimentsUtils.filter(there, filter_string)
        chosen = SearchExperimentsUtils.sort(found, order_by or ["name ASC"])
        page, token = SearchUtils.paginate(chosen, page_token, max_results or limits.ENTITIES_MAX)
        return PagedList(page, token)

    # ---- inside -----------------------------------------------------------------------------------------------------

    @property
    def _is_for_others(self) -> bool:
        """Whether runs begin at a collector to which no agent here can ship: MLflow's client has to talk to it."""
        return bool(self._url) and self._workspace.collector is None and not self.owned.is_in_job

    def _credentials(self) -> MlflowHostCreds:
        return MlflowHostCreds(self._url or f"{SCHEME}:", token=setting(os.environ, "RANKLOG_TOKEN"))

    def _call_endpoint(self, api: Any, *arguments: Any, **keywords: Any) -> Any:
        if not self._url:
            raise exception(
                NOT_IMPLEMENTED,
                f"{api.__name__} needs a collector: set RANKLOG_URL to the address of a `ranklog collector --http`",
            )
        return super()._call_endpoint(api, *arguments, **keywords)

    def _own_run(self, own: Own) -> Run:
        known = own.logbook.known(own.run_id)
        return entities.run(known, self.owned.experiment(own.run_id), artifacts_uri(known.run_id))

    def _places_of(self, run_id: str) -> tuple[list[Source], str]:
        """Where the files of a run may be, the nearest first, and the run's own id."""
        found = self.owned.find(run_id)
        if found is None:
            return [self._workspace.source], self._elsewhere(run_id)[0].run_id
        place = found.logbook.place
        return [SpoolSource(place.folder, place.run_id), *self._at_home()], found.run_id

    def _at_home(self) -> list[Source]:
        try:
            return [self._workspace.source]
        except UnreachableError:  # what is logged here need not be read here
            return []

    def _elsewhere(self, run_id: str) -> tuple[Known, str]:
        found = elsewhere.find(self._workspace.source, run_id)
        if found is None:
            raise MlflowError(MISSING, f"Run with id={run_id} not found")
        return found
