"""What is read of /proc, over a folder that looks like it."""

from __future__ import annotations

import os
from pathlib import Path

from ranklog_agent.core.node_usage import Network
from ranklog_agent.core.usage import Seen, Traffic
from ranklog_agent.io.machine import PAGE_BYTES, TICKS_PER_S, Machine

HEADER = "Inter-|   Receive                            |  Transmit\n face |bytes    packets|bytes    packets\n"
TIMES = "0 0 0 0 0 0 0"


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_busy_is_all_but_idle_and_waiting(tmp_path: Path) -> None:
    put(tmp_path / "stat", "cpu  100 20 30 4000 500 6 7 8 9 9\ncpu0 1\ncpu1 1\nintr 5\n")
    put(tmp_path / "meminfo", "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 400 kB\n")
    compute = Machine(str(tmp_path)).read().compute
    assert compute is not None
    assert (compute.cpu_s, compute.cpus) == (171 / TICKS_PER_S, 2)
    assert (compute.memory_used, compute.memory_total) == (600 * 1024, 1000 * 1024)


def test_traffic_is_counted_at_real_interfaces_where_there_are_any(tmp_path: Path) -> None:
    lines = {"lo": (1, 1), "eth0": (10, 20), "docker0": (300, 300), "eth1": (1, 2)}
    text = "".join(f"{name:>6}: {one} {TIMES} {two} {TIMES}\n" for name, (one, two) in lines.items())
    put(tmp_path / "net" / "dev", HEADER + text)
    assert Machine(str(tmp_path), str(tmp_path / "sys")).read().network == Network(311, 322)
    for name in ("eth0", "eth1"):
        (tmp_path / "sys" / "class" / "net" / name / "device").mkdir(parents=True)
    assert Machine(str(tmp_path), str(tmp_path / "sys")).read().network == Network(11, 22)


def test_a_process_may_have_any_name(tmp_path: Path) -> None:
    fields = "S 4 1 1 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 7 0 123456 999 42 1"
    put(tmp_path / "9" / "stat", b"9 (a) \xff (b\n) " + fields.encode())
    put(tmp_path / "9" / "io", "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n")
    put(tmp_path / "10" / "stat", b"")
    put(tmp_path / "notes" / "stat", b"")
    machine = Machine(str(tmp_path))
    assert machine.all_seen() == {9: Seen(4, 123456, 200 / TICKS_PER_S, 50 / TICKS_PER_S, 7, 42 * PAGE_BYTES)}
    assert machine.traffic([9, 10, 11]) == {9: Traffic(4096, 8192)}


def test_nothing_that_can_be_read_is_nothing_to_tell(tmp_path: Path) -> None:
    reading = Machine(str(tmp_path), str(tmp_path)).read()
    assert (reading.compute, reading.network, reading.own) == (None, None, None)


def test_the_real_one_tells_of_this_process() -> None:
    machine = Machine()
    assert machine.all_seen()[os.getpid()].parent == os.getppid()
    reading = machine.read(os.getpid())
    assert reading.compute is not None
    assert reading.compute.memory_total > 0
    assert reading.disk is not None
