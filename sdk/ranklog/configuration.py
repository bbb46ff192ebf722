"""How a job is distributed, and what it runs in: azureml-core's configuration objects, as plain values."""

from __future__ import annotations

from collections.abc import Sequence

from ranklog.errors import UserError

BACKENDS = ("nccl", "gloo")


class MpiConfiguration:
    """An MPI job: so many processes on each of so many nodes."""

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        self.process_count_per_node = _count(process_count_per_node, "process_count_per_node")
        self.node_count = _count(node_count, "node_count")


class PyTorchConfiguration:
    """Processes that find each other by RANK, WORLD_SIZE and MASTER_ADDR: `process_count` on all nodes together."""

    def __init__(
        self, communication_backend: str = "Nccl", process_count: int | None = None, node_count: int = 1
    ) -> None:
        if communication_backend.lower() not in BACKENDS:
            raise UserError(f"{communication_backend!r} is no communication backend: say 'Nccl' or 'Gloo'")
        self.communication_backend = communication_backend.lower()
        self.process_count = None if process_count is None else _count(process_count, "process_count")
        self.node_count = _count(node_count, "node_count")


class TensorflowConfiguration:
    """Workers and parameter servers."""

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        self.worker_count = _count(worker_count, "worker_count")
        self.parameter_server_count = parameter_server_count


Distribution = MpiConfiguration | PyTorchConfiguration | TensorflowConfiguration


class RunConfiguration:
    """What to run and with which environment variables. What describes Azure's machines is of no consequence."""

    def __init__(
        self,
        script: str | None = None,
        arguments: Sequence[object] | str | None = None,
        framework: str | None = None,
        communicator: str | None = None,
        conda_dependencies: object = None,
        _history_enabled: bool | None = None,
        _path: str | None = None,
        _name: str | None = None,
        command: Sequence[object] | str | None = None,
    ) -> None:
        self.script = script
        self.arguments: Sequence[object] | str = arguments or []
        self.command: Sequence[object] | str = command or ""
        self.framework = framework or "Python"
        self.communicator = communicator or "None"
        self.target: object = "local"
        self.environment: object = None
        self.environment_variables: dict[str, str] = {}
        self.max_run_duration_seconds: int | None = None
        self.node_count = 1
        self.mpi = MpiConfiguration()
        self.pytorch = PyTorchConfiguration()
        self.tensorflow = TensorflowConfiguration()


def _count(value: int, name: str) -> int:
    if not isinstance(value, int) or value < 1:
        raise UserError(f"{name} must be a number from 1 on, not {value!r}")
    return value
