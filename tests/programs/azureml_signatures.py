"""The signatures of azureml-core's public members, as JSON: {class: {member: [[name, kind, has a default]…] or null}}.

usage: azureml_signatures.py; run by the Python that azureml-core is installed in. null is a property.
"""

import inspect
import json

from azureml.core import Experiment, Run, ScriptRunConfig, Workspace
from azureml.core.runconfig import MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration

CLASSES = [
    Run,
    Experiment,
    Workspace,
    ScriptRunConfig,
    MpiConfiguration,
    PyTorchConfiguration,
    TensorflowConfiguration,
]


def signature(member: object) -> list[list[object]]:
    parameters = inspect.signature(member).parameters.values()
    return [[each.name, each.kind.name, each.default is not each.empty] for each in parameters]


def members(one: type) -> dict[str, object]:
    found: dict[str, object] = {"__init__": signature(one)}
    for name in dir(one):
        if not name.startswith("_"):
            member = inspect.getattr_static(one, name)
            if isinstance(member, property):
                found[name] = None
            elif callable(getattr(one, name)):
                found[name] = signature(getattr(one, name))
    return found


print(json.dumps({one.__name__: members(one) for one in CLASSES}))
