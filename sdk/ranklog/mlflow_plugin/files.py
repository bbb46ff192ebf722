"""The files of a run that are MLflow's artifacts."""

from __future__ import annotations

from ranklog.errors import RunFileError, RunNotFoundError
from ranklog.mlflow_api.ids import artifacts_prefix
from ranklog.run.family_names import root_of
from ranklog.source.protocol import Source


def listing(sources: list[Source], run_id: str) -> dict[str, int]:
    """Give paths and sizes of a run's artifacts in the first of these places that has any. Raises UnreachableError."""
    root = root_of(run_id)
    prefix = artifacts_prefix(run_id, root)
    for source in sources:
        try:
            rows = source.files(root, prefix)
        except RunNotFoundError:
            continue
        if rows:
            return {str(row["path"]).removeprefix(prefix): int(row["size"]) for row in rows}
    return {}


def content(sources: list[Source], run_id: str, path: str) -> bytes | None:
    """Give an artifact from the first of these places that has it; None if there is none. Raises UnreachableError."""
    root = root_of(run_id)
    for source in sources:
        try:
            return source.file(root, artifacts_prefix(run_id, root) + path)
        except (RunFileError, RunNotFoundError):
            continue
    return None
