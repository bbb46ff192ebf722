"""How runs and experiments are called in MLflow's API. Pure: whoever knows the name knows the id, without asking."""

from __future__ import annotations

import re
from hashlib import md5, sha256

from ranklog.layout import safe_name
from ranklog.run.family_names import files_prefix

RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}", re.ASCII)
"""What MLflow's client takes for a run's id."""
DEFAULT_NAMES = frozenset(("default", "Default"))
DEFAULT_NAME, DEFAULT_FOLDER, DEFAULT_ID = "Default", "default", "0"
FOLDER_CHARACTERS_MAX = 100
LOWEST = 10**8
"""Of experiments' ids that are made from names; they have nine digits. Collectors count from 1."""
ARTIFACTS = "outputs/"
"""Where in a run folder what MLflow calls artifacts is."""


def mlflow_run_id(run_id: str) -> str:
    """Give the id by which MLflow knows a run: its own if that can be one, else 32 hex digits made from it."""
    if RUN_ID.fullmatch(run_id):
        return run_id
    return md5(run_id.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def artifacts_prefix(run_id: str, root: str) -> str:
    """Tell where in the folder of the run `root` the artifacts of a run are: of itself, or of a child run."""
    return f"{files_prefix(None if run_id == root else run_id)}{ARTIFACTS}"


def experiment_folder(name: str) -> str:
    """Give the name by which ranklog knows an experiment: its own if that can be a folder's, else one like it."""
    if name in DEFAULT_NAMES:
        return DEFAULT_FOLDER
    return name if safe_name(name)[:FOLDER_CHARACTERS_MAX] == name else like_name(name)


def like_name(name: str) -> str:
    """Give the name of a folder that is like an experiment's, and that of no other."""
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{safe_name(name)[:FOLDER_CHARACTERS_MAX]}-{digest}"


def experiment_id(name: str) -> str:
    """Give an experiment's id, a number as MLflow has it: `0` for the default one, else made from the name."""
    folder = experiment_folder(name)
    if folder == DEFAULT_FOLDER:
        return DEFAULT_ID
    number = int.from_bytes(sha256(folder.encode()).digest()[:8], "big")
    return str(LOWEST + number % (9 * LOWEST))
