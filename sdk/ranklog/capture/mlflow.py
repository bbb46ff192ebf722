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
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
RETRIES_MAX = "4"
"""Over half a minute. A relay that is started again takes two seconds; one that is not, is gone for good."""
_SHOWN = {"MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
"""By these the user has told MLflow who asks."""


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
    token = setting(environ, "RANKLOG_TOKEN")
    # Also with a relay, which passes on what it cannot answer: its agent may know another token, that of its wire.
    shown = {"MLFLOW_TRACKING_TOKEN": token} if token and not _SHOWN & environ.keys() else {}
    relay = relay_place.find(folder, os.uname().nodename)
    if relay:
        patience = {} if RETRIES in environ else {RETRIES: RETRIES_MAX}
        return {TOLD: f"{relay}/{key}", **named, **QUIET, **patience, **shown}
    url = setting(environ, "RANKLOG_URL")
    if not url:
        return {}
    return {TOLD: url, "MLFLOW_RUN_ID": _mlflow_run_id(run_id), "MLFLOW_DISABLE_TELEMETRY": "true", **shown}


def _mlflow_run_id(run_id: str) -> str:
    if "." not in run_id:
        return run_id
    from ranklog.mlflow_api.ids import mlflow_run_id  # slow to import, and needed by few

    return mlflow_run_id(run_id)
