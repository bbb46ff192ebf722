"""Recordings of PyTorch's flight recorder come home and name who did not come to a collective."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ranklog_collector.core.flight_recorder import Kind
from ranklog_collector.reading.flight_recorder import flight_recordings
from tests.support import programs
from tests.support.ranklog_run import environment, ranklog_run


def test_the_rank_that_is_missing_from_a_collective_is_named(tmp_path: Path) -> None:
    place = tmp_path / "trace_of_"
    left_behind = Path(f"{place}3")  # by an earlier job of four ranks
    left_behind.write_bytes(b"\x80\x02]q\x00.")
    os.utime(left_behind, (1, 1))
    more = {"TORCH_FR_DUMP_TEMP_FILE": str(place)}
    result = ranklog_run(tmp_path, "-n", "3", "--", *programs.script("recording.py"), "2", more=more)
    assert result.code == 1
    recordings = [f"logs/flight_recorder/nccl_trace_rank_{rank}" for rank in range(3)]
    assert [result.file(path) for path in recordings] == [Path(f"{place}{rank}").read_bytes() for rank in range(3)]
    compared = flight_recordings(result.run)
    assert compared is not None
    assert compared.unreadable == {}
    (finding,) = compared.findings
    assert (finding.kind, finding.number, finding.ranks, finding.waiting) == (Kind.MISSING, 17, (2,), (0, 1))
    why = [str(Path(sys.executable).with_name("ranklog")), "why", "latest", "--json"]
    said = subprocess.run(why, env=environment(tmp_path), capture_output=True, text=True, check=False)
    verdict = json.loads(said.stdout)
    assert [culprit["rank"] for culprit in verdict["culprits"]] == [2], said.stdout
    assert "did not call all_reduce #17 of default_pg" in verdict["headline"]
