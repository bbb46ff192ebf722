"""What runs inside or around a training process: `from ranklog import Run`.

Nothing is imported before it is used, so that `ranklog exec` is quick.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ranklog.configuration import MpiConfiguration as MpiConfiguration
    from ranklog.configuration import PyTorchConfiguration as PyTorchConfiguration
    from ranklog.configuration import RunConfiguration as RunConfiguration
    from ranklog.configuration import TensorflowConfiguration as TensorflowConfiguration
    from ranklog.experiment import Experiment as Experiment
    from ranklog.notebook.details import RunDetails as RunDetails
    from ranklog.run import Run as Run
    from ranklog.script_run import ScriptRun as ScriptRun
    from ranklog.script_run import ScriptRunConfig as ScriptRunConfig
    from ranklog.workspace import Workspace as Workspace

API = "ranklog.api"
"""Entry points with further names, which other packages bring."""
_HOMES = {
    "Experiment": "experiment",
    "MpiConfiguration": "configuration",
    "PyTorchConfiguration": "configuration",
    "Run": "run",
    "RunConfiguration": "configuration",
    "RunDetails": "notebook.details",
    "ScriptRun": "script_run",
    "ScriptRunConfig": "script_run",
    "TensorflowConfiguration": "configuration",
    "Workspace": "workspace",
}

__all__ = [
    "Experiment",
    "MpiConfiguration",
    "PyTorchConfiguration",
    "Run",
    "RunConfiguration",
    "RunDetails",
    "ScriptRun",
    "ScriptRunConfig",
    "TensorflowConfiguration",
    "Workspace",
]


def __getattr__(name: str) -> object:
    """Import what is asked for. Raises AttributeError if nobody brings that name."""
    value = None if name.startswith("_") else _found(name)
    if value is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _found(name: str) -> object:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
    from importlib.metadata import entry_points

    return next((entry.load() for entry in entry_points(group=API, name=name)), None)


def __dir__() -> list[str]:
    """Give the names that can be imported from here."""
    return sorted({*globals(), *__all__})
