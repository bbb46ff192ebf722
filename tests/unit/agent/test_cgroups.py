"""Limits of containers, in both versions of cgroups, over folders that look like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranklog_agent.io.cgroups import Cgroups

GIB = 1 << 30


class Kernel:
    """A /proc and a cgroup file system."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.cgroup = folder / "cgroup"
        self._mounts = ""

    def mount(self, name: str, top: str = "/", options: str | None = None) -> None:
        kind = "cgroup" if options else "cgroup2"
        where = self.cgroup / name
        where.mkdir(parents=True, exist_ok=True)
        self._mounts += (
            f"31 23 0:28 {top} {where} rw,relatime - {kind} {kind} rw{',' if options else ''}{options or ''}\n"
        )
        self.put(self.proc / "self" / "mountinfo", self._mounts)

    def member(self, pid: str, *groups: str) -> None:
        self.put(self.proc / pid / "cgroup", "\n".join(groups) + "\n")

    def group(self, name: str, **files: str) -> None:
        for file, content in files.items():
            self.put(self.cgroup / name / file.replace("__", "."), content)

    def put(self, path: Path, content: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    @property
    def groups(self) -> Cgroups:
        return Cgroups(str(self.proc))


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_a_container_of_the_second_version_counts_where_it_has_less(kernel: Kernel) -> None:
    kernel.mount("")
    kernel.member("self", "0::/")
    kernel.group("", cpu__max="150000 100000\n", cpu__stat="usage_usec 2500000\nuser_usec 1\n")
    kernel.group("", memory__max=f"{4 * GIB}\n", memory__current=f"{3 * GIB}\n", memory__stat=f"inactive_file {GIB}\n")
    cpu, memory = kernel.groups.cpu(None, 8), kernel.groups.memory(None, 64 * GIB)
    assert cpu is not None
    assert memory is not None
    assert (cpu.most, cpu.used) == (1.5, 2.5)
    assert (memory.most, memory.used) == (4 * GIB, 2 * GIB)
    assert kernel.groups.cpu(None, 1) is None
    assert kernel.groups.memory(None, 2 * GIB) is None


def test_no_limit_is_no_limit(kernel: Kernel) -> None:
    kernel.mount("")
    kernel.member("self", "0::/")
    kernel.group("", cpu__max="max 100000\n", cpu__stat="usage_usec 1\n", memory__max="max\n", memory__current="5\n")
    assert kernel.groups.cpu(None, 8) is None
    assert kernel.groups.memory(None, GIB) is None


def test_hierarchies_of_the_first_version_and_a_container_without_a_namespace_of_its_own(kernel: Kernel) -> None:
    for controllers in ("cpu,cpuacct", "memory"):
        kernel.mount(controllers, "/kubepods/pod7", controllers)
    kernel.member("self", "4:memory:/kubepods/pod7", "3:cpu,cpuacct:/kubepods/pod7", "0::/")
    kernel.group(
        "cpu,cpuacct", cpu__cfs_quota_us="200000\n", cpu__cfs_period_us="100000\n", cpuacct__usage="7000000000\n"
    )
    kernel.group("memory", memory__limit_in_bytes=f"{GIB}\n", memory__usage_in_bytes="900\n")
    kernel.group("memory", memory__stat="inactive_file 1\ntotal_inactive_file 400\n")
    cpu, memory = kernel.groups.cpu(None, 8), kernel.groups.memory(None, 64 * GIB)
    assert cpu is not None
    assert memory is not None
    assert (cpu.most, cpu.used) == (2.0, 7.0)
    assert (memory.most, memory.used) == (GIB, 500)


def test_the_tightest_group_that_holds_agent_and_job_counts(kernel: Kernel) -> None:
    kernel.mount("")
    kernel.member("self", "0::/job/agent")
    kernel.member("77", "0::/job/step/rank")
    kernel.group(
        "job",
        memory__max=f"{8 * GIB}",
        memory__current="5",
        cpuset__cpus__effective="0-3,8",
        cpu__stat="usage_usec 9000000",
    )
    kernel.group("job/agent", memory__max=f"{GIB}", memory__current="1")
    kernel.group("job/step", memory__max=f"{2 * GIB}", memory__current="2")
    memory, cpu = kernel.groups.memory(77, 64 * GIB), kernel.groups.cpu(77, 64)
    assert memory is not None
    assert cpu is not None
    assert (memory.group, memory.most, memory.used) == ("job", 8 * GIB, 5)
    assert (cpu.most, cpu.used) == (5, 9.0)


def test_a_sidecars_own_container_says_nothing_of_the_job_next_door(kernel: Kernel) -> None:
    kernel.mount("")
    kernel.member("self", "0::/")
    kernel.member("77", "0::/../cri-containerd-1234.scope")
    kernel.group("", memory__max="1000", memory__current="5")
    assert kernel.groups.memory(77, GIB) is None
    assert kernel.groups.memory(None, GIB) is not None


def test_a_machine_without_cgroups_has_no_limits(kernel: Kernel) -> None:
    assert kernel.groups.cpu(None, 8) is None
    assert kernel.groups.memory(5, GIB) is None
