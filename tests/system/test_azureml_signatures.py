"""What calls azureml-core accepts, ours accepts: compared with the real package."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import Any

import pytest

import ranklog
from tests.support.launchers import VENVS
from tests.system.conftest import require

PYTHON = VENVS / "azureml" / "bin" / "python"
PROGRAM = "tests/programs/azureml_signatures.py"
AZURES_OWN: dict[str, set[str]] = {
    "Experiment": {"get_docs_url", "identity"},
    "MpiConfiguration": set(),
    "PyTorchConfiguration": set(),
    "ScriptRunConfig": {"identity"},
    "TensorflowConfiguration": set(),
    "Run": {
        "add_type_provider",
        "get_docs_url",
        "get_environment",
        "get_secret",
        "get_secrets",
        "get_snapshot_id",
        "identity",
        "list_by_compute",
        "register_model",
        "restore_snapshot",
        "take_snapshot",
    },
    "Workspace": {
        "add_private_endpoint",
        "compute_targets",
        "create",
        "datasets",
        "datastores",
        "delete",
        "delete_connection",
        "delete_private_endpoint_connection",
        "diagnose_workspace",
        "discovery_url",
        "environments",
        "get_connection",
        "get_default_compute_target",
        "get_default_datastore",
        "get_default_keyvault",
        "images",
        "linked_services",
        "list",
        "list_connections",
        "list_keys",
        "models",
        "private_endpoints",
        "service_context",
        "set_connection",
        "set_default_datastore",
        "setup",
        "sync_keys",
        "update",
        "update_dependencies",
        "webservices",
    },
}
"""Members that make sense only with Azure's services: model registry, key vault, data stores, snapshots, compute."""

Parameters = list[tuple[str, str, bool]]


@pytest.fixture(scope="module")
def theirs() -> dict[str, dict[str, Parameters | None]]:
    require(None if PYTHON.exists() else "azureml-core is missing: run script/install-test-programs")
    done = subprocess.run([PYTHON, PROGRAM], capture_output=True, text=True, check=True, cwd=sys.path[0] or ".")
    result: dict[str, dict[str, Parameters | None]] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("name", sorted(AZURES_OWN))
def test_every_call_that_azureml_accepts_is_accepted(
    theirs: dict[str, dict[str, Parameters | None]], name: str
) -> None:
    ours = getattr(ranklog, name)
    # An attribute that every instance has is as good as a property.
    attributes = {member for member in theirs[name] if theirs[name][member] is None} & ours.__annotations__.keys()
    members = theirs[name].keys() - AZURES_OWN[name] - attributes
    missing = {member for member in members if not hasattr(ours, member)}
    assert missing == set()
    wrong = {member: why for member in members if (why := differs(ours, member, theirs[name][member]))}
    assert wrong == {}


def test_what_there_is_of_a_workspace_accepts_the_same_calls(theirs: dict[str, dict[str, Parameters | None]]) -> None:
    members = {member for member in theirs["Workspace"] if hasattr(ranklog.Workspace, member)}
    assert members > {"__init__", "from_config", "get", "get_run", "experiments", "get_mlflow_tracking_uri"}
    wrong = {each: why for each in members if (why := differs(ranklog.Workspace, each, theirs["Workspace"][each]))}
    assert wrong == {}


def differs(ours: type, member: str, theirs: Parameters | None) -> str | None:
    """Say which call of theirs ours would not accept."""
    if theirs is None or isinstance(inspect.getattr_static(ours, member), property):
        is_property = isinstance(inspect.getattr_static(ours, member), property)
        return None if theirs is None and is_property else "a property here or there only"
    parameters = inspect.signature(ours if member == "__init__" else getattr(ours, member)).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    takes_many = any(each.kind is each.VAR_POSITIONAL for each in parameters.values())
    positional = [each.name for each in parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    for place, (name, kind, has_default) in enumerate(theirs):
        if kind == "VAR_KEYWORD" or kind == "VAR_POSITIONAL":
            if not (takes_any if kind == "VAR_KEYWORD" else takes_many):
                return f"no {name}"
        elif name not in parameters:
            if not (takes_any and has_default):
                return f"no {name}"
        elif positional[place : place + 1] != [name] and not takes_many:
            return f"{name} is not at place {place}"
        elif has_default and parameters[name].default is inspect.Parameter.empty:
            return f"{name} has no default"
    return next((f"{each.name} is needed here only" for each in parameters.values() if _is_new(each, theirs)), None)


def _is_new(parameter: inspect.Parameter, theirs: Parameters) -> bool:
    is_needed = parameter.default is parameter.empty and parameter.kind.name not in ("VAR_KEYWORD", "VAR_POSITIONAL")
    return is_needed and parameter.name not in [name for name, *_ in theirs]


def test_the_comparison_finds_what_is_missing() -> None:
    class Ours:
        def log(self, name: str, value: Any, extra: Any) -> None:
            """Lacks description, and wants more."""

    theirs: Parameters = [
        ("self", "POSITIONAL_OR_KEYWORD", False),
        ("name", "POSITIONAL_OR_KEYWORD", False),
        ("value", "POSITIONAL_OR_KEYWORD", False),
    ]
    assert differs(Ours, "log", theirs) == "extra is needed here only"
    assert differs(Ours, "log", [*theirs, ("description", "POSITIONAL_OR_KEYWORD", True)]) == "no description"
    assert differs(Ours, "log", [theirs[0], theirs[2], theirs[1]]) == "value is not at place 1"
    assert differs(Ours, "log", None) == "a property here or there only"
