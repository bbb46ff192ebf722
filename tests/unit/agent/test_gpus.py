"""GPUs, as far as they can be tested without one: against a stand-in for NVML that speaks like nvidia-ml-py."""

# ruff: noqa: N802 (the names are NVML's)
from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ranklog_agent.core.node_usage import Gpu
from ranklog_agent.errors import NoGpusError
from ranklog_agent.io import gpus


class NVMLError(Exception):
    """As pynvml's."""


class Nvml(ModuleType):
    """Two GPUs; what is in `broken` fails."""

    NVMLError = NVMLError

    def __init__(self, count: int = 2, broken: tuple[str, ...] = ()) -> None:
        super().__init__("pynvml")
        self.count = count
        self.broken = broken

    def nvmlInit(self) -> None:
        self._answer("Init", None)

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return self._answer("UtilizationRates", SimpleNamespace(gpu=10 * (handle + 1), memory=5))

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return self._answer("MemoryInfo", SimpleNamespace(used=1000, total=4000, free=3000))

    def nvmlDeviceGetPowerUsage(self, handle: int) -> Any:
        return self._answer("PowerUsage", 150_500)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> Any:
        return self._answer("EnforcedPowerLimit", 300_000)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> Any:
        processes = [SimpleNamespace(pid=7, usedGpuMemory=500), SimpleNamespace(pid=8 + handle, usedGpuMemory=None)]
        return self._answer("ComputeRunningProcesses", processes)

    def _answer(self, name: str, value: Any) -> Any:
        if name in self.broken:
            raise NVMLError(f"{name} is broken")
        return value


def test_each_gpu_tells_its_figures() -> None:
    assert gpus.Gpus(Nvml()).read() == (
        Gpu(0, 10, 1000, 4000, 150.5, 300.0),
        Gpu(1, 20, 1000, 4000, 150.5, 300.0),
    )


def test_what_fails_is_left_out_and_the_rest_is_told() -> None:
    nvml = Nvml(1, ("PowerUsage", "MemoryInfo", "ComputeRunningProcesses"))
    found = gpus.Gpus(nvml)
    assert found.read() == (Gpu(0, 10, None, None, None, 300.0),)
    assert found.memory_of_processes() == {}


def test_memory_of_a_process_is_that_on_all_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus.os, "stat", lambda path: SimpleNamespace(st_ino=gpus.FIRST_PID_NAMESPACE))
    assert gpus.Gpus(Nvml()).memory_of_processes() == {7: 1000, 8: 0, 9: 0}


def test_pids_of_another_namespace_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus.os, "stat", lambda path: SimpleNamespace(st_ino=12345))
    assert gpus.Gpus(Nvml()).memory_of_processes() == {}


@pytest.mark.parametrize("nvml", [Nvml(broken=("Init",)), Nvml(count=0)])
def test_a_machine_without_gpus_says_why(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    with pytest.raises(NoGpusError, match=r"Init is broken|there are none"):
        gpus.find()


def test_a_machine_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(NoGpusError, match=r"ranklog\[gpu\]"):
        gpus.find()
