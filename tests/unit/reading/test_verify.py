"""Verification finds every byte that is not as the journal says, and tells what is known to be missing."""

from __future__ import annotations

import os
from pathlib import Path
from zlib import crc32

import pytest

from ranklog_collector.core import journal
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.sources import SourceState
from ranklog_collector.reading.verify import Report, verify
from tests.support.run_writer import RunWriter, job, ns


def report_of(run: RunWriter, with_sources: bool = False) -> Report:
    return verify(RunFolder(str(run.folder)), with_sources)


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    """Rank 0's stream is of two segments that take turns, rank 1's of one; and there is a rewritten file."""
    run, (first, second) = job(tmp_path / "r", 2)
    run.write(first, b"one\n" * 1000, at=1)
    run.write(first, b"two\n" * 1000, at=2)
    run.rotate(first)
    run.write(first, b"three\n" * 1000, at=3)
    run.log(journal.Extent(1, 8000, 14000))
    run.path(first).write_bytes(run.path(first).read_bytes() + b"late")
    run.log(journal.Mark(1, 8004, crc32(b"one\n" * 1000 + b"two\n" * 1000 + b"late"), ((14004, ns(4)),)))
    run.log(journal.Close(1, 8004, crc32(b"one\n" * 1000 + b"two\n" * 1000 + b"late"), ns(5)))
    run.write(second, b"x" * 100)
    run.close(second)
    run.snapshot(run.stream("outputs/model.bin", role="output_file"), b"weights")
    return run


def test_a_run_as_it_was_collected_is_intact(run: RunWriter) -> None:
    report = report_of(run)
    assert report.is_intact
    assert [(check.path, check.size) for check in report.checks] == [
        ("azureml-logs/70_driver_log_0.txt", 8004),
        ("azureml-logs/70_driver_log_0.txt", 6000),
        ("azureml-logs/70_driver_log_1.txt", 100),
        ("outputs/model.bin", 7),
    ]
    assert (report.problems, report.notes) == ([], [])


@pytest.mark.parametrize(
    ("position", "segment", "where"),
    [
        (0, 0, "from 0 to 3999"),
        (5000, 0, "from 4000 to 7999"),
        (8000, 1, "from 8000 to 13999"),
        (14001, 0, "from 14000 to 14003"),
    ],
)
def test_a_flipped_byte_is_found_and_narrowed_down(run: RunWriter, position: int, segment: int, where: str) -> None:
    path = run.path(1)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    report = report_of(run)
    assert not report.is_intact
    assert [bool(check.problem) for check in report.checks] == [number == segment for number in range(4)]
    assert where in str(report.checks[segment].problem)


def test_a_missing_a_short_and_a_replaced_file_are_found(run: RunWriter) -> None:
    os.truncate(run.path(1), 14000)
    run.path(2).unlink()
    run.path(3).write_bytes(b"Weights")
    problems = [check.problem for check in report_of(run).checks]
    assert problems == [
        "the file ends 4 bytes too early",
        None,
        "the file is missing",
        "the bytes differ from what the journal vouches for",
    ]


def test_a_link_in_place_of_a_file_is_not_followed(run: RunWriter, tmp_path: Path) -> None:
    (tmp_path / "same").write_bytes(b"x" * 100)
    run.path(2).unlink()
    run.path(2).symlink_to(tmp_path / "same")
    report = report_of(run)
    assert "links are not followed" in str(report.checks[2].problem)


def test_bytes_behind_the_end_are_a_problem_only_in_a_run_that_was_shut_down(run: RunWriter) -> None:
    run.write(2, b"more", vouch=False)
    report = report_of(run)
    assert report.is_intact
    assert any("4 bytes at its end that nobody vouches for" in note for note in report.notes)
    run.end()
    assert not report_of(run).is_intact


def test_files_and_links_that_nobody_vouches_for_are_told(run: RunWriter) -> None:
    (run.folder / "notes.txt").write_text("mine")
    (run.folder / "link").symlink_to("/")
    report = report_of(run)
    assert report.is_intact
    assert [note for note in report.notes if "nobody" in note] == [
        "link is in the folder, but nobody vouches for it",
        "notes.txt is in the folder, but nobody vouches for it",
    ]


def test_a_certain_gap_is_a_problem_and_an_uncertain_one_is_told(run: RunWriter) -> None:
    run.gap(2, None, "vanished")
    report = report_of(run)
    assert report.is_intact
    assert any("whether /src had more than 100 bytes is not known (vanished)" in note for note in report.notes)
    run.gap(2, 50)
    report = report_of(run)
    assert not report.is_intact
    assert report.problems == ["azureml-logs/70_driver_log_1.txt: 50 bytes of /src are lost for good (truncated)"]


def test_a_gap_is_void_once_its_bytes_have_come_after_all(run: RunWriter) -> None:
    run.gap(2, 50)
    run.gap(2, None, "vanished")
    run.write(2, b"y" * 20)
    assert report_of(run).problems == [
        "azureml-logs/70_driver_log_1.txt: 30 bytes of /src are lost for good (truncated)"
    ]
    run.write(2, b"y" * 30)
    report = report_of(run)
    assert report.problems == []
    assert not any("not known" in note for note in report.notes)


def test_what_a_process_wrote_must_have_come(run: RunWriter) -> None:
    run.exit(0, output_bytes={"/src": 14004}, lost_bytes=0)
    run.exit(1, output_bytes={"src": 130}, lost_bytes=3)
    report = report_of(run)
    assert report.problems == ["rank_1 on n0: a full disk there cost 3 bytes of its output"]
    missing = "rank_1 on n0 wrote 130 bytes to src, of which 30 have not come"
    assert missing in report.notes
    run.end()
    assert missing in report_of(run).problems


def test_a_node_that_left_with_bytes_or_is_lost_is_told(run: RunWriter) -> None:
    run.node("n0", event="left", undelivered=12, reason="deadline")
    run.node("n1", event="lost")
    report = report_of(run)
    assert report.problems == ["node n0 left with 12 bytes undelivered (deadline)"]
    assert "node n1 is lost: what it had not sent yet is not here" in report.notes


def test_a_damaged_journal_is_a_problem(run: RunWriter) -> None:
    run.log(journal.Mark(77, 1, 1))
    assert report_of(run).problems == ["1 line of the journal makes no sense: it is damaged"]


def test_a_line_of_the_journal_that_cannot_be_read_is_a_problem(run: RunWriter) -> None:
    lines = run.journal_path.read_bytes().splitlines(keepends=True)
    run.journal_path.write_bytes(b"".join([*lines[:-1], b"<garbage>\n", lines[-1]]))
    assert "1 line of the journal makes no sense: it is damaged" in report_of(run).problems


@pytest.mark.parametrize("content", [b"", b"\0\xff garbage\n\nmore\n"])
def test_a_journal_of_which_nothing_is_left_is_a_problem(run: RunWriter, content: bytes) -> None:
    run.journal_path.write_bytes(content)
    assert report_of(run).problems == ["its journal is empty or damaged: it does not say which run it is"]


def test_a_journal_that_cannot_be_read_to_its_end_is_a_problem(run: RunWriter) -> None:
    data = run.journal_path.read_bytes()
    start = data.rindex(b"\n", 0, -200) + 1
    run.journal_path.write_bytes(data[:start] + b"\0\0\0" + data[start + 3 :])
    problem = f"its journal is damaged at byte {start}: what it told after that is not known"
    assert report_of(run).problems == [problem]


def test_a_journal_whose_last_line_was_cut_off_is_intact(run: RunWriter) -> None:
    with run.journal_path.open("ab") as file:
        file.write(b'{"e":"mark","g":')
    assert report_of(run).is_intact


def test_a_lost_extent_line_is_noticed(run: RunWriter) -> None:
    lines = run.journal_path.read_bytes().splitlines(keepends=True)
    extent = next(line for line in lines if b'"extent","g":1,"at":8000' in line)
    run.journal_path.write_bytes(b"".join(line for line in lines if line != extent))
    assert not report_of(run).is_intact


def test_a_finished_segment_whose_source_has_grown_after_all_is_intact(run: RunWriter) -> None:
    run.write(2, b"more")
    report = report_of(run)
    assert [check.problem for check in report.checks] == [None] * 4
    assert not report.checks[2].is_closed


def test_a_file_that_moves_while_it_is_verified_is_looked_at_again(run: RunWriter) -> None:
    folder = RunFolder(str(run.folder))
    run.snapshot(3, b"new weights")
    run.rename(2, "10.0.0.1/log.txt")
    assert verify(folder).is_intact


# ---- sources --------------------------------------------------------------------------------------------------------


def collected(tmp_path: Path, *parts: bytes) -> tuple[RunWriter, int, Path]:
    source = tmp_path / "source.log"
    source.write_bytes(b"".join(parts))
    run = RunWriter(tmp_path / "r")
    run.rank(0)
    stream = run.output(0, source=str(source))
    for part in parts:
        run.write(stream, part)
    return run, stream, source


def source_state(run: RunWriter, number: int = 0) -> SourceState:
    source = report_of(run, with_sources=True).checks[number].source
    assert source is not None
    return source.state


def test_a_source_with_the_same_bytes_is_the_same_also_under_another_name(tmp_path: Path) -> None:
    run, stream, source = collected(tmp_path, b"one\n", b"two\n")
    run.close(stream)
    assert source_state(run) is SourceState.SAME
    source.rename(tmp_path / "source.log.1")
    source.write_bytes(b"the next\n")
    assert source_state(run) is SourceState.SAME


def test_a_source_that_differs_is_a_problem(tmp_path: Path) -> None:
    run, _, source = collected(tmp_path, b"one\n")
    with source.open("r+b") as file:
        file.write(b"ONE\n")
    report = report_of(run, with_sources=True)
    assert not report.is_intact
    assert "are not those of its source" in str(report.checks[0].problem)


def test_a_source_that_has_more_is_a_problem_only_if_the_segment_was_finished(tmp_path: Path) -> None:
    run, stream, source = collected(tmp_path, b"one\n")
    with source.open("ab") as file:
        file.write(b"more\n")
    assert source_state(run) is SourceState.HAS_MORE
    assert report_of(run, with_sources=True).is_intact
    run.close(stream)
    assert "has 5 bytes more" in str(report_of(run, with_sources=True).checks[0].problem)


def test_a_source_that_is_gone_or_was_truncated_since_proves_nothing(tmp_path: Path) -> None:
    run, stream, source = collected(tmp_path, b"one\n")
    source.write_bytes(b"2\n")
    run.rotate(stream, source=str(source))
    run.write(stream, b"2\n")
    assert [source_state(run, number) for number in (0, 1)] == [SourceState.GONE, SourceState.SAME]
    source.unlink()
    report = report_of(run, with_sources=True)
    assert report.is_intact
    assert [check.source and check.source.state for check in report.checks] == [SourceState.GONE] * 2
