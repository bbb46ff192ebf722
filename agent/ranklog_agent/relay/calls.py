"""MLflow's calls as far as the node's spool answers them."""

from __future__ import annotations

from collections.abc import Callable

from ranklog.mlflow_api import fields, limits, paging
from ranklog.mlflow_api.datasets import datasets
from ranklog.mlflow_api.ids import DEFAULT_FOLDER, DEFAULT_ID, DEFAULT_NAME, experiment_id, mlflow_run_id
from ranklog.mlflow_api.known import Known
from ranklog.mlflow_api.logbook import Logbook
from ranklog.mlflow_api.metrics import metric, metrics
from ranklog.mlflow_api.runs import Json, experiment_json, metric_json, run_json


class NotOurs(Exception):  # noqa: N818 (no error: somebody else answers)
    """The call is about something that this node's spool does not have."""


class Calls:
    """The calls of one process, for the run of an experiment. `is_alone`: there is no collector that knows more."""

    def __init__(self, logbook: Logbook, experiment: str, *, is_alone: bool) -> None:
        self._logbook = logbook
        self._is_alone = is_alone
        self._experiment = experiment or DEFAULT_FOLDER
        self._experiments = {DEFAULT_ID: DEFAULT_NAME}
        self._experiments[experiment_id(self._experiment)] = self._experiment

    def answer(self, name: str, asked: Json) -> Json:
        """Answer a call by its path below `/mlflow/`. Raises NotOurs, MlflowError."""
        call = CALLS.get(name)
        if call is None:
            raise NotOurs
        return call(self, asked)

    def own_run(self, asked: Json) -> str:
        """Give the own id of the run that is asked for. Raises NotOurs."""
        return self.find(fields.run_id(asked)).run_id

    def find(self, mlflow_id: str) -> Known:
        """Give a run of this node's spool. Raises NotOurs."""
        # What is known already need not be looked for.
        found = self._logbook.runs.find(mlflow_id) or self._logbook.find(mlflow_id)
        if found is None:
            raise NotOurs
        return found

    # ---- logging ----------------------------------------------------------------------------------------------------

    def log_metric(self, asked: Json) -> Json:
        """One value."""
        self._logbook.log_metric(self.own_run(asked), metric(asked))
        return {}

    def log_batch(self, asked: Json) -> Json:
        """Many values, parameters and tags, all or nothing."""
        own = self.own_run(asked)
        listed = fields.listed(asked, "metrics")
        params, tags = fields.objects(asked, "params"), fields.objects(asked, "tags")
        limits.check_batch(len(listed), len(params), len(tags))
        told = fields.pairs(asked, "params", limits.param)
        limits.check_unique([each["key"] for each in params])
        self._logbook.log(own, metrics(listed), told, fields.pairs(asked, "tags", limits.tag))
        return {}

    def log_parameter(self, asked: Json) -> Json:
        """One parameter."""
        self._logbook.log(self.own_run(asked), (), fields.pair(asked, limits.param), {})
        return {}

    def set_tag(self, asked: Json) -> Json:
        """One tag."""
        self._logbook.log(self.own_run(asked), (), {}, fields.pair(asked, limits.tag))
        return {}

    def delete_tag(self, asked: Json) -> Json:
        """A tag is taken away."""
        self._logbook.delete_tag(self.own_run(asked), fields.text(asked, "key"))
        return {}

    def log_inputs(self, asked: Json) -> Json:
        """Which datasets the run reads."""
        self._logbook.log_inputs(self.own_run(asked), datasets(asked))
        return {}

    # ---- runs -------------------------------------------------------------------------------------------------------

    def create_run(self, asked: Json) -> Json:
        """The job's run for the first who asks, child runs for all that follow."""
        tags = fields.pairs(asked, "tags", limits.tag)
        return {"run": self._run(self._logbook.create(tags, fields.any_text(asked, "run_name") or None))}

    def get_run(self, asked: Json) -> Json:
        """A run with its latest values."""
        return {"run": self._run(self._logbook.known(self.own_run(asked)))}

    def update_run(self, asked: Json) -> Json:
        """How a run is doing. The launcher's run does what the launcher says."""
        status, name = asked.get("status"), fields.any_text(asked, "run_name") or None
        known = self._logbook.update(self.own_run(asked), status if type(status) is str else None, name)
        return {"run_info": self._run(known)["info"]}

    def history(self, asked: Json) -> Json:
        """All values of a metric, a page of them."""
        own, key = self.own_run(asked), fields.text(asked, "metric_key")
        most = min(fields.integer(asked, "max_results", limits.HISTORY_RESULTS_MAX), limits.HISTORY_RESULTS_MAX)
        start = paging.offset(fields.any_text(asked, "page_token"))
        values = self._logbook.runs.history(own, key)
        end = start + limits.check_results(most, limits.HISTORY_RESULTS_MAX)
        more = {"next_page_token": paging.token(end)} if end < len(values) else {}
        return {"metrics": [metric_json(one) for one in values[start:end]], **more}

    # ---- experiments ------------------------------------------------------------------------------------------------

    def create_experiment(self, asked: Json) -> Json:
        """In a job every experiment is there: its run has its place already."""
        name = limits.experiment_name(fields.text(asked, "name"))
        self._experiments[experiment_id(name)] = name
        return {"experiment_id": experiment_id(name)}

    def get_experiment_by_name(self, asked: Json) -> Json:
        """The same, by name."""
        name = limits.experiment_name(fields.text(asked, "experiment_name"))
        self._experiments[experiment_id(name)] = name
        return self.get_experiment({"experiment_id": experiment_id(name)})

    def get_experiment(self, asked: Json) -> Json:
        """An experiment that has been asked for by name, or the job's. Others are not ours to tell."""
        found = str(asked.get("experiment_id"))
        name = self._experiments.get(found)
        if name is None:
            raise NotOurs
        return {"experiment": experiment_json(found, name, f"mlflow-artifacts:/{found}")}

    def search_experiments(self, asked: Json) -> Json:
        """All that there are, if nobody knows of others."""
        if not self._is_alone or asked.get("filter") or asked.get("page_token"):
            raise NotOurs
        return {
            "experiments": [self.get_experiment({"experiment_id": each})["experiment"] for each in self._experiments]
        }

    def _run(self, known: Known) -> Json:
        experiment, run_id = experiment_id(self._experiment), mlflow_run_id(known.run_id)
        return run_json(known, experiment, f"mlflow-artifacts:/{experiment}/{run_id}/artifacts")


Call = Callable[[Calls, Json], Json]
CALLS: dict[str, Call] = {
    "POST runs/log-metric": Calls.log_metric,
    "POST runs/log-batch": Calls.log_batch,
    "POST runs/log-parameter": Calls.log_parameter,
    "POST runs/set-tag": Calls.set_tag,
    "POST runs/delete-tag": Calls.delete_tag,
    "POST runs/log-inputs": Calls.log_inputs,
    "POST runs/create": Calls.create_run,
    "GET runs/get": Calls.get_run,
    "POST runs/update": Calls.update_run,
    "GET metrics/get-history": Calls.history,
    "POST experiments/create": Calls.create_experiment,
    "POST experiments/search": Calls.search_experiments,
    "GET experiments/get": Calls.get_experiment,
    "GET experiments/get-by-name": Calls.get_experiment_by_name,
}
