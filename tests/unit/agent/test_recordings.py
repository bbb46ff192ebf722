"""Where flight recordings lie, and whose they are."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ranklog_agent.io.recordings import beginnings, present


def test_the_job_may_say_where_they_are() -> None:
    assert beginnings({"TORCH_FR_DUMP_TEMP_FILE": "/scratch/x_", "HOME": "/root"}) == ("/scratch/x_",)
    assert beginnings({"TORCH_NCCL_DEBUG_INFO_TEMP_FILE": "/y", "TORCH_FR_DUMP_TEMP_FILE": "relative"}) == ("/y",)


def test_else_they_are_where_pytorch_puts_them() -> None:
    usual = "/tmp/nccl_trace_rank_"
    assert beginnings({"HOME": "/root"}) == ("/root/.cache/torch/comm_lib_trace_rank_", usual)
    assert beginnings({"HOME": "/root", "XDG_CACHE_HOME": "/c"}) == ("/c/torch/comm_lib_trace_rank_", usual)
    assert beginnings({}) == ("/tmp/.cache/torch/comm_lib_trace_rank_", usual)


def test_only_new_files_of_the_ranks_own_user_are_its_recordings(tmp_path: Path) -> None:
    place, uid = f"{tmp_path}/x_", os.getuid()
    Path(f"{place}1").touch()
    Path(f"{place}10").touch()
    assert list(present((place, "/nowhere/"), 1, 0, uid)) == [f"{place}1"]
    assert list(present((place,), 1, time.time_ns() + 10**12, uid)) == []
    assert list(present((place,), 1, 0, uid + 1)) == []


def test_a_link_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "x_1").symlink_to("/etc/passwd")
    (tmp_path / "x_2").mkdir()
    assert list(present((f"{tmp_path}/x_",), 1, 0, os.getuid())) == []
    assert list(present((f"{tmp_path}/x_",), 2, 0, os.getuid())) == []
