"""MLflow's calls as far as the node's spool answers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ranklog.mlflow_api import limits
from ranklog.mlflow_api.errors import invalid
from ranklog.mlflow_api.ids import DEFAULT_FOLDER, DEFAULT_ID, DEFAULT_NAME, experiment_id, mlflow_run_id
from ranklog.mlflow_api.known import Known
from ranklog.mlflow_api.lines import STATES
from ranklog.mlflow_api.logbook import Logbook
from ranklog.mlflow_api.runs import Json, experiment_json, metric_json, run_json

HISTORY_MAX = 25_000


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
        """Answer a call by its path below `/mlflow/`. Raises NotOurs, ApiError."""
        call = CALLS.get(name)
        if call is None:
            raise NotOurs
        return call(self, asked)

    def own_run(self, asked: Json) -> str:
        """Give the own id of the run that is asked for. Raises NotOurs."""
        mlflow_id = asked.get("run_id") or asked.get("run_uuid")
        if not isinstance(mlflow_id, str) or not mlflow_id:
            raise invalid("Missing value for required parameter 'run_id'.")
        return self.find(mlflow_id).run_id

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
        own = self.own_run(asked)
        self._logbook.log_metric(own, asked.get("key"), asked.get("value"), asked.get("timestamp"), asked.get("step"))
        return {}

    def log_batch(self, asked: Json) -> Json:
        """Many values, parameters and tags, all or nothing."""
        own = self.own_run(asked)
        metrics, params, tags = (_objects(asked, name) for name in ("metrics", "params", "tags"))
        limits.check_batch(metrics, params, tags)
        self._logbook.log(
            own,
            [
                limits.metric(
                    each.get("key"), each.get("value"), each.get("timestamp"), each.get("step"), f"metrics[{place}]"
                )
                for place, each in enumerate(metrics)
            ],
            [limits.param(each.get("key"), each.get("value"), f"params[{place}]") for place, each in enumerate(params)],
            [limits.tag(each.get("key"), each.get("value"), f"tags[{place}]") for place, each in enumerate(tags)],
        )
        return {}

    def log_parameter(self, asked: Json) -> Json:
        """One parameter."""
        self._logbook.log(self.own_run(asked), (), [limits.param(asked.get("key"), asked.get("value"))], ())
        return {}

    def set_tag(self, asked: Json) -> Json:
        """One tag."""
        self._logbook.log(self.own_run(asked), (), (), [limits.tag(asked.get("key"), asked.get("value"))])
        return {}

    def delete_tag(self, asked: Json) -> Json:
        """A tag is taken away."""
        self._logbook.delete_tag(self.own_run(asked), str(asked.get("key")))
        return {}

    def log_inputs(self, asked: Json) -> Json:
        """Which datasets the run reads."""
        own = self.own_run(asked)
        found = []
        for each in _objects(asked, "datasets"):
            dataset, tags = each.get("dataset"), _objects(each, "tags")
            if not isinstance(dataset, dict):
                raise invalid("Missing value for required parameter 'dataset'.")
            found.append({**dataset, "tags": {str(tag.get("key")): str(tag.get("value")) for tag in tags}})
        self._logbook.log_inputs(own, found)
        return {}

    # ---- runs -------------------------------------------------------------------------------------------------------

    def create_run(self, asked: Json) -> Json:
        """The job's run for the first who asks, child runs for all that follow."""
        tags = [limits.tag(each.get("key"), each.get("value")) for each in _objects(asked, "tags")]
        name = asked.get("run_name")
        return {"run": self._run(self._logbook.create(tags, str(name) if name else None))}

    def get_run(self, asked: Json) -> Json:
        """A run with its latest values."""
        return {"run": self._run(self._logbook.known(self.own_run(asked)))}

    def update_run(self, asked: Json) -> Json:
        """How a run is doing. The launcher's run does what the launcher says."""
        status, name = asked.get("status"), asked.get("run_name")
        known = self._logbook.update(
            self.own_run(asked), status if status in STATES else None, str(name) if name else None
        )
        return {"run_info": self._run(known)["info"]}

    def history(self, asked: Json) -> Json:
        """All values of a metric, a page of them."""
        own, key = self.own_run(asked), asked.get("metric_key")
        values = self._logbook.runs.history(own, str(key))
        start = _whole(asked.get("page_token") or 0, "page_token")
        end = start + (_whole(asked["max_results"], "max_results") if "max_results" in asked else HISTORY_MAX)
        more = {"next_page_token": str(end)} if end < len(values) else {}
        return {"metrics": [metric_json(one) for one in values[start:end]], **more}

    # ---- experiments ------------------------------------------------------------------------------------------------

    def create_experiment(self, asked: Json) -> Json:
        """In a job every experiment is there: its run has its place already."""
        name = limits.experiment_name(asked.get("name"))
        self._experiments[experiment_id(name)] = name
        return {"experiment_id": experiment_id(name)}

    def get_experiment_by_name(self, asked: Json) -> Json:
        """The same, by name."""
        name = limits.experiment_name(asked.get("experiment_name"))
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


def _objects(asked: Json, name: str) -> list[Json]:
    found: Any = asked.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise invalid(f"Invalid value for parameter '{name}' supplied: a list of objects is needed")
    return found


def _whole(value: Any, name: str) -> int:
    try:
        found = int(value)
    except (TypeError, ValueError):
        found = -1
    if found < 0:
        raise invalid(f"Invalid value {value!r} for parameter '{name}' supplied: it is no number from 0 on")
    return found
