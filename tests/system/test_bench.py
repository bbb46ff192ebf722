"""Each bench measures something at a tiny size and tells it in one line of JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import require

ROOT = Path(__file__).parents[2]
MLFLOW = ROOT / ".venv-launchers" / "mlflow" / "bin" / "python"
MACHINE = {"bench", "date", "cores", "load_before", "python_version"}
CARRIED = {
    "mib_per_s",
    "cpu_s_per_gib",
    "sender_cpu_s_per_gib",
    "receiver_cpu_s_per_gib",
    "sender_peak_mib",
    "receiver_peak_mib",
    "complete",
}
SEEN = {"lines", "p50_ms", "p95_ms", "p99_ms", "max_ms", "sender_cpu_percent", "receiver_cpu_percent"}
IDLE = {
    "sender_cpu_percent",
    "receiver_cpu_percent",
    "sender_resident_mib",
    "receiver_resident_mib",
    "short_lived_lines",
    "short_lived_lines_lost",
}


@pytest.fixture
def rivals() -> None:
    for program in ("socat", "rsyslogd"):
        require(None if shutil.which(program) else f"{program} is not installed")


def bench(name: str, *options: str) -> dict[str, Any]:
    """Run a bench; what it prints."""
    command = [sys.executable, "-m", f"bench.{name}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    result: dict[str, Any] = json.loads(line)
    assert result["bench"] == name
    return result


@pytest.mark.usefixtures("rivals")
def test_throughput_compares_with_socat_and_rsyslog() -> None:
    result = bench("throughput", "--rounds", "1", "--size", "1", "--rival-size", "0.5")
    contestants = {"socat", "socat_1mib", "ranklog", "rsyslog"}
    ratios = {"vs_socat", "vs_socat_1mib", "vs_rsyslog", "cpu_vs_socat", "cpu_vs_rsyslog"}
    assert result.keys() == MACHINE | {"rounds", "size_mib"} | contestants | ratios
    for contestant in contestants:
        assert result[contestant].keys() == CARRIED
        assert result[contestant]["complete"]
    assert all(result[ratio] > 0 for ratio in ratios)


@pytest.mark.usefixtures("rivals")
def test_latency_compares_with_rsyslog() -> None:
    result = bench("latency", "--rounds", "1", "--seconds", "1")
    assert result.keys() == MACHINE | {"rounds", "rate", "ranklog", "rsyslog", "p50_vs_rsyslog"}
    for contestant in ("ranklog", "rsyslog"):
        assert result[contestant].keys() == SEEN
        assert result[contestant]["lines"] == 50


@pytest.mark.usefixtures("rivals")
def test_idle_compares_with_rsyslog_and_we_lose_nothing_of_short_lived_files() -> None:
    result = bench("idle", "--files", "20", "--seconds", "1", "--settle", "0", "--short-files", "10")
    assert result.keys() == MACHINE | {"rounds", "files", "seconds", "ranklog", "rsyslog"}
    for contestant in ("ranklog", "rsyslog"):
        assert result[contestant].keys() == IDLE
        assert result[contestant]["short_lived_lines"] == 30
    assert result["ranklog"]["short_lived_lines_lost"] == 0


def test_fan_in_delivers_every_stream_of_every_agent() -> None:
    result = bench("fan_in", "--agents", "5", "--streams", "2", "--size", "0.02", "--seconds", "0.5")
    joining = {"join_s", "join_collector_cpu_s"}
    quiet = {"p50_ms", "p95_ms", "p99_ms", "max_ms", "collector_cpu_percent", "agent_cpu_percent"}
    rush = {"mib", "written_s", "s", "mib_per_s", "collector_cpu_s", "agents_cpu_s"}
    memory = {"collector_peak_mib", "agent_mib"}
    names = {f"quiet_{name}" for name in quiet} | {f"rush_{name}" for name in rush}
    assert result.keys() == MACHINE | {"agents", "streams", "complete"} | joining | names | memory
    assert result["streams"] == 10
    assert result["complete"]


def test_exec_compares_with_the_bare_command() -> None:
    result = bench("exec", "--rounds", "2")
    commands, held = {"bare", "python", "exec"}, {"resident_mib", "proportional_mib"}
    assert result.keys() == MACHINE | {"rounds", "added_wall_ms", "vs_python"} | commands | held
    assert all(result[command].keys() == {"wall_ms", "cpu_ms"} for command in commands)


def test_the_package_lists_its_benches() -> None:
    done = subprocess.run([sys.executable, "-m", "bench"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[2].removeprefix("bench.") for line in done.stdout.splitlines()}
    of_reading = {"grep"}
    of_points = {"log_call", "aggregate", "ingest_points", "mlflow_plugin", "mlflow_server"}
    of_verdicts = {"torchrun_trial", "verdict_matrix", "why", "top"}
    assert listed == {"throughput", "latency", "idle", "fan_in", "exec"} | of_points | of_verdicts | of_reading


def test_log_call_measures_a_call_and_says_who_is_not_there() -> None:
    result = bench("log_call", "--rounds", "1", "--share", "0.01", "--only", "ranklog")
    assert result.keys() == MACHINE | {"rounds", "versions", "missing", "ranklog"}
    assert result["ranklog"].keys() == {"us", "p50_us", "p99_us", "cpu_us"}


def test_aggregate_reads_afresh_again_and_grown() -> None:
    result = bench("aggregate", "--rounds", "1", "--ranks", "2", "--steps", "10000", "--points", "100")
    first = {f"{name}_first_ms" for name in ("catalog", "aggregate", "by_time", "all_series")}
    again = {"cold_ms", "warm_ms", "warm_max_ms", "grown_ms", "by_time_grown_ms", "all_series_grown_ms"}
    sealed = {"sealed_points_per_s", "sealed_bytes_per_point"}
    assert result.keys() == MACHINE | {"rounds", "ranks", "steps", "points"} | first | again | sealed


def test_why_is_right_and_tells_its_time() -> None:
    result = bench("why", "--rounds", "1", "--ranks", "16", "--size", "400000")
    assert result.keys() == MACHINE | {"rounds", "ranks", "bytes", "s", "is_right"}
    assert result["is_right"]


def test_ingest_points_has_every_point_in_an_answer() -> None:
    result = bench("ingest_points", "--rounds", "1", "--ranks", "2", "--steps", "30000")
    pace = {"points_per_s", "aggregated_points_per_s", "mib_per_s"}
    costs = {"agent_cpu_s", "collector_cpu_s", "sealer_cpu_s", "sealer_mib"}
    assert result.keys() == MACHINE | {"rounds", "ranks", "steps", "complete"} | pace | costs
    assert result["complete"]


def test_mlflow_server_is_asked_by_clients_and_beyond_them() -> None:
    require(None if MLFLOW.exists() else f"{MLFLOW} is missing: run script/install-test-programs")
    result = bench("mlflow_server", "--rounds", "1", "--share", "0.05", "--only", "ranklog")
    ways = {
        f"{way}_{figure}" for way in ("raw", "client") for figure in ("single_per_s", "batch_points_per_s", "history_s")
    }
    assert result.keys() == MACHINE | {"rounds", "ranklog"}
    assert result["ranklog"].keys() == ways | {"log_metric_ms", "memory_mib"}


def test_a_bench_that_cannot_measure_says_so_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.latency", "--rounds", "1", "--seconds", "1"]
    environment = {"PATH": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    (tmp_path / "ranklog").mkdir()
    (tmp_path / "ranklog/__init__.py").write_text("")
    (tmp_path / "ranklog/__main__.py").write_text("raise SystemExit('out of order')")
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["cannot measure: collector ended with 1: out of order"]
