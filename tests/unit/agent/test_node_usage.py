"""Two readings of a node become a sample, under MLflow's names."""

from __future__ import annotations

from ranklog_agent.core.node_usage import Compute, Disk, Gpu, Network, NodeMeter, Own, Reading
from ranklog_agent.core.usage import Sample

MB = 1_000_000
S = 1_000_000_000


def reading(at_s: int, **parts: object) -> Reading:
    return Reading(at_s * S, at_s * S, **parts)  # type: ignore[arg-type]


def measured(*readings: Reading) -> Sample:
    meter = NodeMeter()
    return [meter.read(one) for one in readings][-1]


def test_all_of_a_node_has_mlflows_names() -> None:
    before = reading(10, compute=Compute("", 100, 4, 0, 1), network=Network(5 * MB, 6 * MB), own=Own(1.0, 0))
    after = reading(
        12,
        compute=Compute("", 102, 4, 250 * MB, 1000 * MB),
        disk=Disk(30 * MB, 10 * MB),
        network=Network(8 * MB, 6 * MB),
        own=Own(1.01, 40 * MB),
        gpus=(Gpu(0, 99.0, 8 * MB, 16 * MB, 150.0, 300.0),),
    )
    assert measured(before, after) == {
        "system/cpu_utilization_percentage": 25.0,
        "system/system_memory_usage_megabytes": 250.0,
        "system/system_memory_usage_percentage": 25.0,
        "system/disk_usage_percentage": 75.0,
        "system/disk_usage_megabytes": 30.0,
        "system/disk_available_megabytes": 10.0,
        "system/network_receive_megabytes": 3.0,
        "system/network_transmit_megabytes": 0.0,
        "system/gpu_0_utilization_percentage": 99.0,
        "system/gpu_0_memory_usage_megabytes": 8.0,
        "system/gpu_0_memory_usage_percentage": 50.0,
        "system/gpu_0_power_usage_watts": 150.0,
        "system/gpu_0_power_usage_percentage": 50.0,
        "agent/cpu_utilization_percentage": 0.5,
        "agent/memory_rss_megabytes": 40.0,
    }


def test_what_cannot_be_read_is_left_out() -> None:
    assert measured(reading(10), reading(12, gpus=(Gpu(3),))) == {}


def test_cpu_time_of_another_container_is_not_compared() -> None:
    before, after = (Compute(of, cpu_s, 2, 1, 2) for of, cpu_s in (("", 90_000), ("/pod", 3)))
    assert "system/cpu_utilization_percentage" not in measured(reading(10, compute=before), reading(12, compute=after))


def test_percentages_stay_within_their_bounds_whatever_the_counters_do() -> None:
    for cpu_s in (-5.0, 500.0):
        before, after = Compute("", 0, 2, 1, 2), Compute("", cpu_s, 2, 1, 0)
        sample = measured(reading(10, compute=before), reading(12, compute=after))
        assert 0 <= sample["system/cpu_utilization_percentage"] <= 100
        assert sample["system/system_memory_usage_percentage"] == 0
