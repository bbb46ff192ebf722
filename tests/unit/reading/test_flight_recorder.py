"""Flight recordings in a run folder: found by their names, read whatever their form, refused if they are none."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import orjson
import pytest

from ranklog_collector.core.flight_recorder import Kind
from ranklog_collector.reading.flight_recorder import flight_recordings
from ranklog_collector.reading.folder import RunFolder
from tests.support.run_writer import RunWriter, ns


def recording(number: int, state: str) -> dict[str, object]:
    entry = {
        "process_group": ["0", "default_pg"],
        "collective_seq_id": number,
        "profiling_name": "nccl:all_reduce",
        "input_sizes": [[4]],
        "state": state,
    }
    return {"version": "2.10", "pg_config": {"0": {"desc": "default_pg", "ranks": "[0, 1, 2]"}}, "entries": [entry]}


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    return RunWriter(tmp_path / "runs/default/r1")


def keep(run: RunWriter, path: str, data: bytes, at: float = 1) -> None:
    run.write(run.stream(path, role="log"), data, at)


def test_pickles_and_json_are_compared_over_nodes_and_names(run: RunWriter) -> None:
    keep(run, "10.0.0.1/logs/flight_recorder/nccl_trace_rank_0", pickle.dumps(recording(17, "started"), 2))
    keep(run, "10.0.0.2/logs/flight_recorder/mine_1.json", orjson.dumps(recording(17, "scheduled")), at=5)
    keep(run, "logs/nccl_trace_rank_2", pickle.dumps(recording(16, "completed"), 4))
    compared = flight_recordings(RunFolder(str(run.folder)))
    assert compared is not None
    assert compared.paths == {
        0: "10.0.0.1/logs/flight_recorder/nccl_trace_rank_0",
        1: "10.0.0.2/logs/flight_recorder/mine_1.json",
        2: "logs/nccl_trace_rank_2",
    }
    (finding,) = compared.findings
    assert (finding.kind, finding.ranks, compared.time_ns) == (Kind.MISSING, (2,), ns(5))


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.abort, ()  # type: ignore[return-value]


def test_what_is_no_recording_is_named_and_nothing_of_it_is_run(run: RunWriter) -> None:
    keep(run, "logs/nccl_trace_rank_0", pickle.dumps(Hostile()))
    keep(run, "logs/nccl_trace_rank_1", b"{")
    keep(run, "logs/nccl_trace_rank_2", b"hello")
    keep(run, "logs/nccl_trace_rank_3", orjson.dumps([1]))
    compared = flight_recordings(RunFolder(str(run.folder)))
    assert compared is not None
    assert compared.findings == ()
    assert set(compared.unreadable) == {f"logs/nccl_trace_rank_{rank}" for rank in range(4)}


def test_where_there_are_none_there_is_nothing_to_say(run: RunWriter) -> None:
    keep(run, "logs/nccl_trace_rank_x", b"x")
    keep(run, "logs/train_3", b"x")
    assert flight_recordings(RunFolder(str(run.folder))) is None
