"""Which run a process belongs to when nobody says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog import layout
from ranklog.ancestors import Daemon, is_torchrun, launcher_daemon, parse_stat
from ranklog.run_id import announced, choose, from_launcher, new_run_id

HYDRA = Daemon(1426, "hydra_pmi_proxy", 1700000000)


def announce(folder: Path, run_id: str, *, host: str = "node0", pid: int | None = None, start_ns: int = 1) -> None:
    (folder / "agents").mkdir(parents=True, exist_ok=True)
    record = {"run_id": run_id, "hostname": host, "pid": pid or os.getpid(), "start_ns": start_ns}
    (folder / "agents" / f"{host}.json").write_text(json.dumps(record))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of spools."""
    monkeypatch.setattr(layout, "BASES", (str(tmp_path),))
    return tmp_path / f"ranklog-{os.getuid()}"


def test_what_is_told_comes_first(own: Path) -> None:
    announce(own / "r1", "r1")
    environ = {"RANKLOG_RUN_ID": "from-environment", "SLURM_JOB_ID": "7"}
    assert choose("told", environ, HYDRA, "node0", 0).run_id == "told"
    assert choose(None, environ, HYDRA, "node0", 0).run_id == "from-environment"


def test_an_agent_on_the_node_names_the_run_and_the_spool(own: Path) -> None:
    announce(own / "r1", "r1")
    run = choose(None, {"SLURM_JOB_ID": "7"}, HYDRA, "node0", 0)
    assert (run.run_id, run.folder) == ("r1", str(own / "r1"))


def test_the_agent_that_was_started_last_wins(own: Path) -> None:
    announce(own / "r1", "r1", start_ns=2)
    announce(own / "r2", "r2", start_ns=3)
    announce(own / "r3", "r3", start_ns=1)
    found = announced({}, "node0")
    assert found is not None
    assert found.run_id == "r2"


def test_an_agent_in_the_folder_that_the_user_names_is_found(tmp_path: Path) -> None:
    announce(tmp_path / "spool", "r9")
    found = announced({"RANKLOG_SPOOL": str(tmp_path / "spool")}, "node0")
    assert found is not None
    assert found.run_id == "r9"


def test_agents_that_are_gone_or_elsewhere_do_not_count(own: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    announce(own / "r1", "r1", pid=gone.pid)
    announce(own / "r2", "r2", host="node1")
    announce(own / "r3", "r3", pid=-1)
    assert announced({}, "node0") is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"hostname": "node0"}', '{"run_id": 7, "pid": "x"}', "\xff" * 9]
)
def test_announcements_that_are_none_do_not_count(own: Path, content: str) -> None:
    (own / "r1" / "agents").mkdir(parents=True)
    (own / "r1" / "agents" / "node0.json").write_text(content, encoding="latin-1")
    assert announced({}, "node0") is None


def test_the_launchers_job_names_the_run() -> None:
    assert from_launcher({"SLURM_JOB_ID": "1234"}, HYDRA) == "slurm-1234"
    assert from_launcher({"OMPI_COMM_WORLD_RANK": "0", "PMIX_NAMESPACE": "16@1"}, HYDRA) == "openmpi-16@1"


def test_a_launcher_without_a_job_names_the_run_by_its_process() -> None:
    assert from_launcher({"PMI_RANK": "0"}, HYDRA) == "hydra_pmi_proxy-1426-1700000000"


def test_a_run_without_a_launcher_is_named_after_its_start(own: Path) -> None:
    run = choose(None, {}, None, "node0", 1700000000)
    assert run.run_id == f"local-20231114T221320Z-{os.getpid()}"


def test_run_ids_from_launchers_are_safe_as_names(own: Path) -> None:
    environ = {"OMPI_COMM_WORLD_RANK": "0", "PMIX_NAMESPACE": "prterun-node0-679@1"}
    assert choose(None, environ, None, "node0", 0).run_id == "openmpi-prterun-node0-679-1"


def test_a_process_may_be_called_what_it_likes() -> None:
    tail = b" S 12 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 1"
    assert parse_stat(b"7 (orted)" + tail) == ("orted", 12, 98765)
    assert parse_stat(b"7 (a) R (b c)" + tail) == ("a) R (b c", 12, 98765)
    for broken in (b"", b"7 (x", b"7 (x) S", b"7 (x) S y"):
        with pytest.raises((ValueError, IndexError)):
            parse_stat(broken)


def test_torchrun_is_known_however_it_was_started() -> None:
    assert is_torchrun(b"/usr/bin/python\0/opt/venv/bin/torchrun\0--nproc-per-node=2\0x.py\0")
    assert is_torchrun(b"python\0-m\0torch.distributed.run\0x.py\0")
    assert not is_torchrun(b"python\0train.py\0--launcher\0mpirun\0")


def test_the_launcher_above_a_process_is_found(tmp_path: Path) -> None:
    launcher = tmp_path / "orted"
    show = "import os; from ranklog.ancestors import launcher_daemon as d; f = d(os.getpid()); print(f.name, f.start_s)"
    launcher.write_text(f"#!/bin/sh\n{sys.executable} -c '{show}'\n")
    launcher.chmod(0o755)
    shown = subprocess.run([launcher], capture_output=True, text=True, check=True).stdout.split()
    assert shown[0] == "orted"
    assert int(shown[1]) > 0


def test_no_launcher_is_found_where_there_is_none() -> None:
    assert launcher_daemon(1) is None


def test_a_new_id_tells_name_and_time() -> None:
    assert new_run_id("train", 1_790_000_000.7, "7f3a") == "train-20260921T141320Z-7f3a"


@given(st.text())
def test_a_new_id_is_a_safe_file_name_whatever_the_name(name: str) -> None:
    found = new_run_id(name, 1_790_000_000, "7f3a")
    assert layout.safe_name(found) == found
    assert not found.startswith((".", "-"))
