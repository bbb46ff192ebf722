"""What a command must find in its environment so that MLflow's client in it logs to the run."""

import os

from ranklog import relay_place
from ranklog.identity import setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TOLD = "MLFLOW_TRACKING_URI"
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
"""The relay's address is no page that people could look at."""


def environment(folder: str, key: str, run_id: str, environ: "Mapping[str, str]") -> "dict[str, str]":
    """Give the variables for the process `key`; none if the user has told MLflow where to log.

    The node's agent is named, if it has a relay. It knows the run: MLFLOW_RUN_ID is not set, since MLflow's client
    would refuse to start that run in a script that chooses an experiment. Without an agent it is the collector, if
    there is one.
    """
    if environ.get(TOLD):
        return {}
    experiment = setting(environ, "RANKLOG_EXPERIMENT")
    named = {"MLFLOW_EXPERIMENT_NAME": experiment} if experiment and "MLFLOW_EXPERIMENT_ID" not in environ else {}
    relay = relay_place.find(folder, os.uname().nodename)
    if relay:
        return {TOLD: f"{relay}/{key}", **named, **QUIET}
    url = setting(environ, "RANKLOG_URL")
    if not url:
        return {}
    token = setting(environ, "RANKLOG_TOKEN")
    more = {"MLFLOW_TRACKING_TOKEN": token} if token else {}
    return {TOLD: url, "MLFLOW_RUN_ID": _mlflow_run_id(run_id), "MLFLOW_DISABLE_TELEMETRY": "true", **more}


def _mlflow_run_id(run_id: str) -> str:
    if "." not in run_id:
        return run_id
    from ranklog.mlflow_api.ids import mlflow_run_id  # slow to import, and needed by few

    return mlflow_run_id(run_id)
