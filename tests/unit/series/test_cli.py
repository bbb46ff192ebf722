"""ranklog metrics: what it prints, to people and to programs, and how it ends."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from ranklog_collector.cli.metrics import metrics
from ranklog_collector.cli.plot import number_text, plot, sparkline
from tests.unit.series.conftest import Job

Invoke = Callable[..., Result]
NAN = {"f": "nan"}


@pytest.fixture
def invoke(job: Job) -> Invoke:
    for rank in (0, 1):
        process = job.rank(rank)
        for step in range(40):
            job.log(process, at=step, k="loss", v=1.0 / (step + 1) + rank, s=step * 10)
    job.log(process, at=50, k="bad", v=NAN)
    job.log(process, at=51, k="conf\x1b[1m", row={"x": 1, "y": "\x1b[31m"})
    job.log(process, at=52, k="loss", v=7, r="r1.0000000a")
    job.log(process, at=53, name="resources", k="cpu", v=99.0)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(metrics, [str(job.writer.folder), *arguments], catch_exceptions=False)

    return call


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_without_a_key_all_metrics_are_listed(invoke: Invoke) -> None:
    result = invoke()
    assert result.exit_code == 0
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["METRIC", "KIND", "LAST", "MIN", "MEAN", "MAX", "STEPS", "COUNT", "RANKS"]
    assert [row.split()[0] for row in rows] == ["bad", "conf\\x1b[1m", "loss"]
    assert "█" in rows[2]
    assert "0-390" in rows[2]
    assert "\x1b" not in result.output


def test_resources_are_listed_besides_where_asked_for(invoke: Invoke) -> None:
    assert [line["key"] for line in lines(invoke("--json"))] == ["bad", "conf\x1b[1m", "loss"]
    assert [line["key"] for line in lines(invoke("--json", "--resources"))][-1] == "cpu"
    assert lines(invoke("cpu", "--json", "--resources"))[0]["mean"] == 99.0


def test_a_key_is_shown_over_ranks(invoke: Invoke) -> None:
    rows = lines(invoke("loss", "--json"))
    assert len(rows) == 40
    assert rows[0] == {
        "step": 0,
        "count": 2,
        "nonfinite": 0,
        "min": 1.0,
        "mean": 1.5,
        "max": 2.0,
        "std": 0.5,
        "p50": 1.5,
        "p99": 1.99,
        "min_rank": 0,
        "max_rank": 1,
    }
    assert len(invoke("loss").stdout.splitlines()) <= 24
    assert "loss: 40 steps" in invoke("loss").stdout


def test_each_rank_by_itself(invoke: Invoke) -> None:
    rows = lines(invoke("loss", "--rank", "1", "--points", "10", "--json"))
    assert {row["rank"] for row in rows} == {1}
    assert 4 <= len(rows) <= 12
    assert "rank_0" not in invoke("loss", "--rank", "1-5").stdout


def test_points_as_they_were_logged(invoke: Invoke) -> None:
    rows = lines(invoke("--values", "--json"))
    assert [row["key"] for row in rows][-2:] == ["bad", "conf\x1b[1m"]
    assert rows[-2]["value"] == "NaN"
    assert rows[-1]["value"] == {"x": 1, "y": "\x1b[31m"}
    assert len(lines(invoke("loss", "--values", "--points", "3", "--json"))) == 3


def test_what_is_no_number_is_shown_as_it_was_logged(invoke: Invoke) -> None:
    result = invoke("conf\x1b[1m")
    assert "row" in result.stdout
    assert "\x1b" not in result.stdout


def test_comma_separated_values(invoke: Invoke) -> None:
    rows = list(csv.DictReader(io.StringIO(invoke("loss", "--csv").stdout)))
    assert (rows[0]["step"], rows[0]["mean"]) == ("0", "1.5")
    assert list(csv.DictReader(io.StringIO(invoke("--csv").stdout)))[2]["ranks"] == "[0,1]"


def test_a_parquet_file(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    assert invoke("loss", "--parquet", str(path)).stdout == ""
    database = duckdb.connect()
    assert database.execute("SELECT count(*), max(max) FROM read_parquet(?)", [str(path)]).fetchall() == [(40, 2.0)]
    assert invoke("--values", "--parquet", str(path)).exit_code == 0
    assert invoke("--parquet", str(tmp_path / "none/x.parquet")).exit_code == 1


def test_an_unknown_key_ends_with_1_and_names_its_like(invoke: Invoke) -> None:
    result = invoke("los")
    assert result.exit_code == 1
    assert "loss" in result.stderr


def test_by_time(invoke: Invoke) -> None:
    rows = lines(invoke("loss", "--by", "time", "--points", "4", "--json"))
    assert [row["count"] for row in rows] == [20, 20, 20, 20]


def test_a_run_that_has_logged_nothing(job: Job) -> None:
    job.rank(0)
    result = CliRunner().invoke(metrics, [str(job.writer.folder)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "nothing has been logged" in result.stdout


def test_a_sparkline_has_gaps_where_there_is_no_number() -> None:
    assert sparkline([0.0, float("nan"), 1.0, float("inf")]) == "▁ █ "
    assert sparkline([1e308, -1e308]) == "█▁"
    assert sparkline([]) == ""
    assert sparkline([5.0, 5.0]) == "▅▅"


def test_a_plot_fits_its_width_and_height() -> None:
    values = [float(value) for value in range(1000)]
    drawn = plot(values, values, values, 60, 5)
    assert len(drawn) == 5
    assert max(map(len, drawn)) <= 60
    assert drawn[0].lstrip().startswith("999")
    assert plot([float("nan")], [float("nan")], [float("nan")], 10, 3) == []
    assert len(plot([1.0], [1.0], [1.0], 3, 2)) == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (1, "1"), (1.0, "1"), (0.123456789, "0.12346"), (2**63, "9.2234e+18"), (float("nan"), "nan")],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert number_text(value) == text
