"""NVIDIA GPUs, as NVML tells of them; it is there only if the package nvidia-ml-py and a driver are."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, TypeVar

from ranklog_agent.core.node_usage import Gpu
from ranklog_agent.errors import NoGpusError

FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""Inode number of the pid namespace in which NVML counts processes (PROC_PID_INIT_INO of the kernel)."""

T = TypeVar("T")


class Gpus:
    """The node's GPUs. Raises NoGpusError if there are none, or none that can be observed.

    `nvml` is the module `pynvml`, or whatever speaks like it.
    """

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        try:
            nvml.nvmlInit()
            self._handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        except nvml.NVMLError as error:
            raise NoGpusError(str(error)) from error
        if not self._handles:
            raise NoGpusError("there are none")

    def read(self) -> tuple[Gpu, ...]:
        """Read what each of them tells now; one that fails tells nothing."""
        return tuple(self._gpu(index, handle) for index, handle in enumerate(self._handles))

    def memory_of_processes(self) -> dict[int, int]:
        """Bytes that processes hold on all GPUs, by pid; empty where NVML's pids are not those that hold here."""
        if os.stat("/proc/self/ns/pid").st_ino != FIRST_PID_NAMESPACE:
            return {}
        held: dict[int, int] = {}
        for handle in self._handles:
            for one in self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle) or ():
                held[one.pid] = held.get(one.pid, 0) + (one.usedGpuMemory or 0)
        return held

    def _gpu(self, index: int, handle: Any) -> Gpu:
        utilization = self._ask(self._nvml.nvmlDeviceGetUtilizationRates, handle)
        memory = self._ask(self._nvml.nvmlDeviceGetMemoryInfo, handle)
        power = self._ask(self._nvml.nvmlDeviceGetPowerUsage, handle)
        limit = self._ask(self._nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        return Gpu(
            index,
            utilization=utilization.gpu if utilization is not None else None,
            memory_used=memory.used if memory is not None else None,
            memory_total=memory.total if memory is not None else None,
            power_w=power / 1000 if power is not None else None,
            power_limit_w=limit / 1000 if limit is not None else None,
        )

    def _ask(self, question: Callable[[Any], T], handle: Any) -> T | None:
        try:
            return question(handle)
        except self._nvml.NVMLError:
            return None


def find() -> Gpus:
    """Find the node's GPUs. Raises NoGpusError."""
    try:
        return Gpus(importlib.import_module("pynvml"))
    except ImportError as error:
        raise NoGpusError("nvidia-ml-py is not installed (pip install 'ranklog[gpu]')") from error
