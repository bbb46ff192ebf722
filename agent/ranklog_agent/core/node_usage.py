"""What a node uses: two readings become a sample, under the names that MLflow's system metrics have."""

from __future__ import annotations

from dataclasses import dataclass

from ranklog_agent.core.usage import SHORTEST_S, Sample, megabytes


@dataclass(frozen=True, slots=True)
class Compute:
    """CPU time and memory in use, and how much of both there is: of the machine, or of the container if that has less.

    Two readings of CPU time can be compared only if `of` is the same.
    """

    of: str
    cpu_s: float
    cpus: float
    memory_used: int
    memory_total: int


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes on the file system of the root folder."""

    used: int
    available: int


@dataclass(frozen=True, slots=True)
class Network:
    """Bytes that went over the node's interfaces since it was started."""

    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; None is what it does not tell."""

    index: int
    utilization: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None


@dataclass(frozen=True, slots=True)
class Own:
    """What the agent itself uses."""

    cpu_s: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A node at one moment; None is what cannot be read."""

    time_ns: int
    clock_ns: int
    """By a clock that never jumps."""
    compute: Compute | None = None
    disk: Disk | None = None
    network: Network | None = None
    own: Own | None = None
    gpus: tuple[Gpu, ...] = ()


@dataclass(slots=True)
class NodeMeter:
    """Remembers the last reading, and the first one of the network: its counters begin when the agent does."""

    _before: Reading | None = None
    _network: Network | None = None

    def read(self, reading: Reading) -> Sample:
        """Give a sample."""
        before, self._before = self._before, reading
        sample = _of_compute(reading, before) | _of_disk(reading.disk) | self._of_network(reading.network)
        for gpu in reading.gpus:
            sample |= _of_gpu(gpu)
        return sample | _of_agent(reading, before)

    def _of_network(self, network: Network | None) -> Sample:
        if network is None:
            return {}
        self._network = self._network or network
        return {
            "system/network_receive_megabytes": megabytes(max(0, network.received - self._network.received)),
            "system/network_transmit_megabytes": megabytes(max(0, network.sent - self._network.sent)),
        }


def _of_compute(reading: Reading, before: Reading | None) -> Sample:
    now = reading.compute
    if now is None:
        return {}
    sample: Sample = {
        "system/system_memory_usage_megabytes": megabytes(now.memory_used),
        "system/system_memory_usage_percentage": _percent(now.memory_used, now.memory_total),
    }
    then = before.compute if before is not None else None
    if before is not None and then is not None and then.of == now.of:
        elapsed_s = (reading.clock_ns - before.clock_ns) / 1e9
        if elapsed_s >= SHORTEST_S:
            used = _percent(now.cpu_s - then.cpu_s, elapsed_s * now.cpus)
            sample["system/cpu_utilization_percentage"] = min(100.0, max(0.0, used))
    return sample


def _of_disk(disk: Disk | None) -> Sample:
    if disk is None:
        return {}
    return {
        "system/disk_usage_percentage": _percent(disk.used, disk.used + disk.available),
        "system/disk_usage_megabytes": megabytes(disk.used),
        "system/disk_available_megabytes": megabytes(disk.available),
    }


def _of_gpu(gpu: Gpu) -> Sample:
    sample: Sample = {}
    name = f"system/gpu_{gpu.index}"
    if gpu.utilization is not None:
        sample[f"{name}_utilization_percentage"] = gpu.utilization
    if gpu.memory_used is not None:
        sample[f"{name}_memory_usage_megabytes"] = megabytes(gpu.memory_used)
        if gpu.memory_total:
            sample[f"{name}_memory_usage_percentage"] = _percent(gpu.memory_used, gpu.memory_total)
    if gpu.power_w is not None:
        sample[f"{name}_power_usage_watts"] = round(gpu.power_w, 2)
        if gpu.power_limit_w:
            sample[f"{name}_power_usage_percentage"] = _percent(gpu.power_w, gpu.power_limit_w)
    return sample


def _of_agent(reading: Reading, before: Reading | None) -> Sample:
    now, then = reading.own, before.own if before is not None else None
    if now is None:
        return {}
    sample: Sample = {"agent/memory_rss_megabytes": megabytes(now.resident_bytes)}
    if before is not None and then is not None:
        elapsed_s = (reading.clock_ns - before.clock_ns) / 1e9
        if elapsed_s >= SHORTEST_S:
            sample["agent/cpu_utilization_percentage"] = max(0.0, _percent(now.cpu_s - then.cpu_s, elapsed_s))
    return sample


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole > 0 else 0.0
