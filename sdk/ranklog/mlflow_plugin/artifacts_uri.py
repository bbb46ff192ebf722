"""Where MLflow's client finds the files of a run."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from mlflow.entities import Run, RunInfo

from ranklog.mlflow_api.ids import mlflow_run_id

ARTIFACTS = "ranklog:/artifacts"
PROXY = "mlflow-artifacts"
SERVICE = "/api/2.0/mlflow-artifacts/artifacts"


def artifacts_uri(run_id: str) -> str:
    """Name the files of a run that is written or read here, by its own id."""
    return f"{ARTIFACTS}/{quote(mlflow_run_id(run_id))}"


def run_and_path(uri: str) -> tuple[str, str]:
    """Give MLflow's id of the run, and the path within it, of an address made by `artifacts_uri`."""
    below = urlsplit(uri).path.removeprefix(urlsplit(ARTIFACTS).path).strip("/")
    run_id, _, path = below.partition("/")
    return unquote(run_id), unquote(path)


def absolute(run: Run, url: str) -> Run:
    """Let the files of a collector's run be found although the tracking URI is not the collector's."""
    info, parts = run.info, urlsplit(run.info.artifact_uri or "")
    if parts.scheme != PROXY:
        return run
    host = f"{urlsplit(url).scheme}://{parts.netloc}" if parts.netloc else url
    there = RunInfo(
        run_id=info.run_id,
        experiment_id=info.experiment_id,
        user_id=info.user_id,
        status=info.status,
        start_time=info.start_time,
        end_time=info.end_time,
        lifecycle_stage=info.lifecycle_stage,
        artifact_uri=f"{host}{SERVICE}{parts.path}",
        run_name=info.run_name,
    )
    return Run(there, run.data, run.inputs, run.outputs)
