"""Table, heading and verdict as lines of text: they fit, say what matters, and nothing that a job says harms them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ranklog_collector.core.verdict.finding import Category, Confidence, Consequence, Culprit, Quote, Status, Verdict
from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.top.arrange import Choice
from ranklog_collector.top.frame import Mark, Part, Row, Use
from ranklog_collector.top.heading import banner, detail, heading, key_line, legend, restriction
from ranklog_collector.top.once import frame_view, text
from ranklog_collector.top.spans import TONES, Line, Span, columns, fitted, harmless, shown_lines
from ranklog_collector.top.table import chosen_columns, head, row_line
from ranklog_collector.top.why import verdict_lines
from tests.support.run_writer import ns
from tests.unit.top.rows import frame, row

HOSTILE = "[bold red]x[/] \x1b[2J\x1b]0;title\x07 \u202eesrever\u200b 日本語 e\u0301 {0} %s"
USED = Use(cpu=99.6, memory=1.25e9, gpu=87.0, gpu_memory=64e9)
VERDICT = Verdict(
    Status.FAILED,
    "rank 3 (node1 10.77.0.11, pid 1306) was killed by SIGKILL at 21:25:31.482 ±3 ms",
    Category.KILLED,
    Confidence.LIKELY,
    (
        Culprit(
            "rank_3",
            Category.KILLED,
            "was killed by SIGKILL",
            3,
            "node1",
            quotes=(Quote(HOSTILE, "azureml-logs/70_driver_log_3.txt", 17, None),),
        ),
    ),
    consequences=(Consequence("ended by SIGTERM", ("rank_0", "rank_1"), (0, 1), 38_000_000, 210_000_000),),
    remarks=("the clock of node1 is 2.0 s behind",),
    next_steps=("ranklog logs r1 --rank 3 --tail 50",),
)


def table(rows: list[Row], width: int) -> list[Line]:
    shown = chosen_columns(rows, width)
    return [head(shown, Choice(), width), *(row_line(one, shown, ns(101), width) for one in rows)]


@pytest.mark.parametrize("width", [20, 40, 80, 120, 300])
def test_everything_fits_whatever_it_says(width: int) -> None:
    rows = [
        row(0, step=10**12, use=USED, line=harmless(HOSTILE), hostname=HOSTILE, exit="SIGSEGV", bytes=10**13),
        row(None, is_launcher=True, program=HOSTILE, name="launcher_1", line="x" * 5000),
        row(1234567, attempt=3, state=ProcessState.NOT_STARTED, spoke=None, started_ns=None, line=None),
    ]
    shown = replace(frame(rows, alarms=(HOSTILE, HOSTILE), problem=HOSTILE), run_id=HOSTILE, experiment=HOSTILE)
    lines = [
        *table(rows, width),
        *heading(shown, width),
        *banner(VERDICT, width),
        *detail(rows[0], ns(101), width),
        *restriction(Choice(filter=HOSTILE), 1, 3, width),
        key_line((("a", "b" * 100), ("c", "d")), width, "right"),
        legend(shown, 0, 10, 20, width),
    ]
    for one in lines:
        assert one.width <= width, one.text
        assert one.text.isprintable(), one.text


def test_the_table_says_state_step_age_and_use() -> None:
    lines = table([row(0, spoke=98, step=12, use=USED, line="step 12 loss 0.3")], 100)
    assert lines[0].text.split() == [
        "▾RANK",
        "STATE",
        "NODE",
        "STEP",
        "AGE",
        "CPU%",
        "MEM",
        "GPU%",
        "GMEM",
        "LAST",
        "LINE",
    ]
    said = ["0", "●", "run", "n0", "12", "3.0s", "100", "1.2G", "87", "64G", "step", "12", "loss", "0.3"]
    assert lines[1].text.split() == said


def test_what_no_process_has_is_no_column() -> None:
    assert "CPU%" not in table([row(0)], 300)[0].text


def test_a_narrow_table_keeps_rank_state_age_and_line() -> None:
    title, line = table([row(7, step=3, use=USED, line="hello there")], 50)
    assert title.text.split() == ["▾RANK", "STATE", "AGE", "LAST", "LINE"]
    assert line.text.split() == ["7", "●", "run", "1.0s", "hello", "there"]


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (row(0, state=ProcessState.FAILED), "✗ FAILED"),
        (row(0, state=ProcessState.LOST), "? LOST"),
        (row(0, state=ProcessState.COMPLETED), "✓ done"),
        (row(0, state=ProcessState.TERMINATED), "▼ term"),
        (row(0, state=ProcessState.NOT_STARTED), "○ not yet"),
        (row(0, mark=Mark.SILENT), "◌ SILENT"),
        (row(0, mark=Mark.BEHIND), "◂ BEHIND"),
        (row(0, part=Part.CULPRIT), "▸0"),
    ],
)
def test_states_are_told_without_colour(one: Row, word: str) -> None:
    assert word in table([one], 80)[1].text


def test_the_time_at_the_beginning_of_a_line_makes_room_for_what_it_says() -> None:
    assert table([row(0, line="2026-09-21 00:27:57,500 INFO ready")], 60)[1].text.rstrip().endswith("  INFO ready")


def test_the_heading_counts_states_and_outliers_and_tells_alarms() -> None:
    rows = [row(rank, mark=Mark.SILENT if rank == 1 else Mark.NONE) for rank in range(3)]
    rows.append(row(3, state=ProcessState.LOST))
    run, counts, alarm = heading(frame(rows, alarms=("node n1 is lost", "a gap"), bytes_per_s=2000.0), 80)
    assert run.text.startswith("default/r1 ")
    assert run.text.endswith("● running for 1m41s")
    assert counts.text.startswith("4 processes on 1 node  ● 3 run  ? 1 LOST  ◌ 1 silent ")
    assert counts.text.endswith("1.0 kB +2.0 kB/s")
    assert alarm.text.startswith("! node n1 is lost ")
    assert alarm.text.endswith("+1 more: press i")


def test_a_job_that_was_started_again_says_how_often() -> None:
    assert heading(frame([row(0)], starts=3), 80)[0].text.endswith("● running for 1m41s, started 3 times")


def test_a_run_of_nobody_says_so() -> None:
    assert heading(frame([]), 80)[1].text.startswith("no process has been seen yet")


def test_the_banner_has_the_verdict_and_how_sure_it_is() -> None:
    first, second = banner(VERDICT, 80)
    assert first.text.startswith(" ✗ WHY (likely): rank 3 (node1 10.77.0.11, pid 1306) was killed by SIGKILL")
    assert second.text.endswith("v: whole verdict")
    assert len(banner(VERDICT, 160)) == 1


@pytest.mark.parametrize("status", [Status.FINE, Status.CANCELED])
def test_what_is_well_has_no_banner(status: Status) -> None:
    assert banner(Verdict(status, "completed"), 80) == []


def test_a_long_headline_is_cut_to_two_lines() -> None:
    lines = banner(Verdict(Status.SUSPECT, "word " * 200), 80)
    assert len(lines) == 2
    assert lines[1].text.endswith("…  v: whole verdict")


def test_the_whole_verdict_has_evidence_consequences_and_what_to_do() -> None:
    lines = [one.text for one in verdict_lines(VERDICT, 80)]
    assert lines[0] == "failed   killed   likely"
    assert "  azureml-logs/70_driver_log_3.txt at byte 17" in lines
    assert "- ranks 0-1: ended by SIGTERM, 38 ms to 210 ms later" in lines
    assert "- the clock of node1 is 2.0 s behind" in lines
    assert "- ranklog logs r1 --rank 3 --tail 50" in lines
    assert all(line.isprintable() for line in lines)


def test_several_culprits_are_named_each() -> None:
    culprits = tuple(Culprit(f"rank_{rank}", Category.CRASH, "crashed", rank) for rank in (1, 2))
    lines = [one.text for one in verdict_lines(Verdict(Status.FAILED, "two", culprits=culprits, is_tie=True), 80)]
    assert any(line.startswith("rank 1 ") for line in lines)
    assert any(line.startswith("rank 2 ") for line in lines)


def test_text_is_cut_by_columns_not_by_characters() -> None:
    assert fitted("日本語", 5) == "日本…"
    assert columns(fitted("日本語", 4)) == 4
    assert fitted("ab", 4, is_right=True) == "  ab"
    assert fitted("abc", 0) == ""


def test_output_is_shown_without_its_control_sequences() -> None:
    assert shown_lines(b"10%\r20%\x1b[31m red\x1b[0m\tx\n\xff\x1b]0;t\x07") == ["20% red x", "�"]
    assert harmless("a\u202eb") == "a\\u202eb"


def test_one_frame_as_text_has_all_processes() -> None:
    rows = [row(rank) for rank in range(100)]
    assert len(text(frame(rows, verdict=VERDICT), Choice(), False, 160)) == 105
    assert text(frame(rows), Choice(), True, 120)[-1].startswith("n0 ····")
    assert "LAST LINE" not in "".join(text(frame([]), Choice(), False, 160))


def test_one_frame_for_programs_has_states_marks_and_steps() -> None:
    view = frame_view(frame([row(0, step=4, use=USED, mark=Mark.SILENT)]), Choice())
    (process,) = view["processes"]
    assert (view["run"], view["counts"], view["is_live"]) == ("r1", {"Running": 1}, True)
    assert (process["rank"], process["mark"], process["step"], process["silent_s"]) == (0, "silent", 4, 1.0)


def test_spans_have_tones_that_the_style_sheet_knows() -> None:
    rows = [row(rank, mark=Mark.SILENT if rank else Mark.NONE, state=state) for rank, state in enumerate(ProcessState)]
    lines = [
        *table(rows, 200),
        *heading(frame(rows), 80),
        *verdict_lines(VERDICT, 80),
        legend(frame(rows), 0, 9, 20, 80),
    ]
    tones = {tone for one in lines for tone in (one.ground, *(span.tone for span in one.spans))}
    assert tones <= set(TONES)
    assert Span("x").tone in TONES
