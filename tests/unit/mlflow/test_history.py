"""A history is the same from what is not sealed, without a database, and from segments, with one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_collector.mlflow.history import Histories
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series import seal
from tests.support.run_writer import START, RunWriter

POINTS = st.lists(
    st.tuples(
        st.sampled_from(
            [0, 0.5, True, False, -0.0, {"f": "nan"}, {"f": "inf"}, {"f": "-inf"}, 2**60 + 1, None, "text"]
        ),
        st.integers(-2, 2),
        st.integers(0, 3),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["", "r1.child"]),
    ),
    max_size=30,
)


class Run:
    """Two ranks that log; the clock of the second one's node is 2 ms ahead, and its times are corrected."""

    def __init__(self, folder: Path) -> None:
        self.writer = RunWriter(folder)
        self.path = str(folder)
        self._streams = []
        for rank, node in enumerate(("n0", "n1")):
            process = self.writer.rank(rank, node)
            path = f".ranklog/metrics/{node}/{process}.jsonl"
            self.writer.clock(node, -0.002 * rank)
            self._streams.append(self.writer.stream(path, node, "metrics", process, ""))

    def log(self, value: Any, step: int = 0, at_ms: int = 0, key: str = "x", run: str = "", rank: int = 0) -> None:
        line = {"t": START + at_ms * 1_000_000, "k": key, "v": value, "s": step, **({"r": run} if run else {})}
        self.writer.write(self._streams[rank], orjson.dumps(line) + b"\n")

    def seal(self) -> None:
        assert seal.seal(RunFolder(self.path), 1, is_last=True)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "r1")


def history(histories: Histories, run: Run, key: str = "x", of: str = "") -> list[tuple[int, int, str]]:
    points, has_more = histories.page((run.path, of), key, 0, 1000)
    assert not has_more
    return [(point["timestamp"], point["step"], repr(point["value"])) for point in points]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=POINTS)
def test_sealing_changes_no_history(points: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    run = Run(tmp_path_factory.mktemp("run") / "r1")
    asked = [(key, of) for key in ("x", "y") for of in ("", "r1.child")]
    histories = Histories()
    for number, (value, step, at_ms, key, of) in enumerate(points):
        run.log(value, step, at_ms, key, of, rank=number % 2)
        if number % 10 == 0:
            history(histories, run)
    run.log(1.0, rank=0)
    run.log(1.0, rank=1)
    before = [history(histories, run, *one) for one in asked]
    run.seal()
    assert [history(Histories(), run, *one) for one in asked] == before
    assert [history(histories, run, *one) for one in asked] == before


def test_values_are_ordered_by_time_step_and_value_and_twice_is_once(run: Run) -> None:
    for value, step, at_ms in ((3.0, 1, 5), (2.0, 1, 5), (1.0, 0, 9), (2.0, 1, 5), (4.0, 7, 1)):
        run.log(value, step, at_ms)
    run.log({"f": "nan"}, 1, 5)
    run.log({"f": "nan"}, 1, 5)
    base = START // 1_000_000
    assert history(Histories(), run) == [
        (base + 1, 7, "4.0"),
        (base + 5, 1, "2.0"),
        (base + 5, 1, "3.0"),
        (base + 5, 1, "'NaN'"),
        (base + 9, 0, "1.0"),
    ]


def test_a_history_grows_and_is_read_anew_where_the_file_was_rewritten(run: Run) -> None:
    histories = Histories()
    run.log(1.0)
    assert len(history(histories, run)) == 1
    run.log(2.0)
    assert len(history(histories, run)) == 2
    path = next(Path(run.path).glob(".ranklog/metrics/n0/*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b'"v":1.0', b'"v":7.0').replace(b'"v":2.0', b'"v":8.0'))
    assert [value for _, _, value in history(histories, run)] == ["7.0", "8.0"]


def test_no_database_is_loaded_for_what_is_not_sealed(run: Run) -> None:
    run.log(1.0)
    words = (
        "import sys; from ranklog_collector.mlflow.history import Histories;"
        "points, _ = Histories().page((sys.argv[1], ''), 'x', 0, 10); print(len(points), 'duckdb' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", words, run.path], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said == "1 False\n"
