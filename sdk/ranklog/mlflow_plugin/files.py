"""The files of a run as MLflow's artifacts: by their paths in the run folder, without what is ranklog's own."""

from __future__ import annotations

from ranklog.errors import RunFileError, RunNotFoundError
from ranklog.run.family_names import FOLDER, files_prefix, root_of
from ranklog.source.protocol import Source

INTERNAL = (".ranklog/", "run.json")


def listing(sources: list[Source], run_id: str) -> dict[str, int]:
    """Give paths and sizes of a run's files in the first of these places that has any. Raises UnreachableError."""
    root, prefix = root_of(run_id), files_prefix(None if run_id == root_of(run_id) else run_id)
    for source in sources:
        try:
            rows = source.files(root, prefix)
        except RunNotFoundError:
            continue
        found = {str(row["path"]).removeprefix(prefix): int(row["size"]) for row in rows}
        if not prefix:
            found = {path: size for path, size in found.items() if not path.startswith((*INTERNAL, f"{FOLDER}/"))}
        if found:
            return found
    return {}


def content(sources: list[Source], run_id: str, path: str) -> bytes | None:
    """Give a file from the first of these places that has it; None if there is none. Raises UnreachableError."""
    root = root_of(run_id)
    for source in sources:
        try:
            return source.file(root, files_prefix(None if run_id == root else run_id) + path)
        except (RunFileError, RunNotFoundError):
            continue
    return None
