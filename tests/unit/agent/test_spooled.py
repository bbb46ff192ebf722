from __future__ import annotations

import pytest

from ranklog_agent.io.spooled import Spooled, spooled


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metrics/0-7-1.jsonl", Spooled("0-7-1", "metrics", "")),
        ("artifacts/0-7-1/outputs/a b.png", Spooled("0-7-1", "artifact", "outputs/a b.png")),
        ("logs/0-7-1/110_azureml.log", Spooled("0-7-1", "azureml_log", "110_azureml.log")),
    ],
)
def test_files_of_a_process_are_told_by_their_place(path: str, expected: Spooled) -> None:
    assert spooled(path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "metrics",
        "metrics/0-7-1.json",
        "metrics/.jsonl",
        "metrics/a/b.jsonl",
        "metrics/a b.jsonl",
        "artifacts/0-7-1",
        "artifacts/0-7-1/outputs/.a.png.new",
        "artifacts/.new/a.png",
        "artifacts/../procs/x.json",
        "logs/0-7-1",
        "streams/0-7-1/stdout.log",
        "procs/0-7-1.json",
    ],
)
def test_everything_else_is_not_taken(path: str) -> None:
    assert spooled(path) is None


def test_a_name_that_is_no_text_is_spelled_out() -> None:
    found = spooled("artifacts/0-7-1/outputs/\udcff\n.bin")
    assert found is not None
    assert found.stream.name == "outputs/\\xff\n.bin"
    assert found.is_snapshot
