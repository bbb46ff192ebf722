"""Which runs have printed metrics, and that they are metrics like others."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from ranklog_collector.cli.metrics import metrics as metrics_command
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.series import points
from ranklog_collector.series.points import points_of
from ranklog_collector.series.read import catalog, facts, records, series
from ranklog_collector.series.rebuild import made_again
from ranklog_collector.series.seal import seal
from ranklog_collector.views.changes import difference, look
from tests.support.run_writer import ns
from tests.unit.series.conftest import Job

RULE = "[[rule]]\npattern = 'speed (?P<speed>\\S+)'\n"


def say(job: Job, rank: int, text: str, at: float = 1) -> int:
    job.rank(rank)
    stream = job.writer.output(rank)
    job.writer.write(stream, text.encode(), at)
    return stream


def keys(folder: RunFolder) -> list[tuple[str, bool]]:
    return [(one.key, one.is_printed) for one in catalog(folder)]


def test_a_run_that_only_prints_has_metrics(job: Job) -> None:
    for rank in (0, 1):
        stream = say(job, rank, "hello\niter 0: loss 2.5, time 10ms\n", at=1)
        job.writer.write(stream, b"iter 1: loss 2.0, time 10ms\n", at=5)
    folder = job.open()
    assert keys(folder) == [("loss", True), ("time", True)]
    loss = catalog(folder)[0]
    assert (loss.ranks, loss.count, loss.last, loss.last_step, loss.last_ns) == ([0, 1], 4, 2.0, 1, ns(5))
    assert [(one.rank, one.step.tolist(), one.value.tolist()) for one in series(folder, "loss")] == [
        (0, [0, 1], [2.5, 2.0]),
        (1, [0, 1], [2.5, 2.0]),
    ]


def test_times_are_right_also_for_who_reads_only_the_latest_marks(job: Job) -> None:
    stream = say(job, 0, "iter 0: loss 2.5\n", at=1)
    for second in range(1, 20):
        job.writer.write(stream, f"iter {second}: loss 2.5\n".encode(), at=1 + second)
    folder = RunFolder(str(job.writer.folder), latest_marks=True)
    assert [one.time_ns for one in records(folder, "loss").records] == [ns(1 + second) for second in range(20)]


def test_a_run_that_logs_does_not_show_what_it_prints_unless_asked(job: Job) -> None:
    say(job, 0, "iter 0: loss 2.5\nspeed 7\n")
    folder = job.open()
    assert keys(folder) == [("loss", True)]
    job.log(job.rank(0), name="resources", k="cpu", v=1.0)
    job.log("submitter-n0-1-2", tag={"a": "b"})
    folder.refresh()
    assert keys(folder) == [("loss", True)]
    job.log(job.rank(0), k="accuracy", v=1.0)
    folder.refresh()
    assert keys(folder) == [("accuracy", False)]
    (job.writer.folder / ".ranklog/rules.toml").write_text(RULE)
    assert keys(folder) == [("accuracy", False), ("speed", True)]
    (job.writer.folder / ".ranklog/rules.toml").write_text("presets = 'all'\n" + RULE)
    assert keys(folder) == [("accuracy", False), ("loss", True), ("speed", True)]
    (job.writer.folder / ".ranklog/rules.toml").write_text("presets = []\n")
    assert keys(folder) == [("accuracy", False)]


def test_a_rule_that_is_added_later_works_on_old_runs_and_the_run_s_own_go_before(job: Job) -> None:
    root = job.writer.folder.parents[1]
    say(job, 0, "speed 7\n")
    assert keys(job.open()) == []
    try:
        (root / ".ranklog-rules.toml").write_text(RULE)
        assert keys(job.open()) == [("speed", True)]
        (job.writer.folder / ".ranklog/rules.toml").write_text(RULE.replace("<speed>", "<pace>"))
        assert keys(job.open()) == [("pace", True)]
    finally:
        (root / ".ranklog-rules.toml").unlink()


def test_rules_choose_streams_and_ranks(job: Job) -> None:
    for rank in (0, 1, 2):
        say(job, rank, "speed 7\n")
    job.writer.write(job.writer.stream("logs/a.txt", "n0", "log", job.rank(3), "logs/a.txt"), b"speed 8\n")
    rules = job.writer.folder / ".ranklog/rules.toml"
    rules.write_text(RULE + "ranks = '1-9'\n")
    assert catalog(job.open())[0].ranks == [1, 2]
    rules.write_text(RULE + "streams = ['logs/*']\n")
    assert (catalog(job.open())[0].ranks, catalog(job.open())[0].last) == ([3], 8)


@pytest.mark.parametrize(
    "text", ["[[rule]]\npattern = '('", "[[rule]]\npattern = '(?P<x>a)'\nranks = 'all'", "\udcff", "x" * (2 << 20)]
)
def test_rules_that_are_none_are_told_and_hide_nothing(job: Job, text: str) -> None:
    job.log(job.rank(0), k="accuracy", v=1.0)
    path = job.writer.folder / ".ranklog/rules.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert keys(job.open()) == [("accuracy", False)]
    shown = CliRunner().invoke(metrics_command, [str(job.writer.folder)])
    assert shown.exit_code == 0
    assert f"there are no printed metrics: {path}: " in shown.output


def test_a_link_is_no_file_of_rules(job: Job) -> None:
    (job.writer.folder / "rules").write_text(RULE)
    (job.writer.folder / ".ranklog/rules.toml").symlink_to(job.writer.folder / "rules")
    say(job, 0, "speed 7\n")
    assert keys(job.open()) == []


def test_printed_points_are_sealed_and_read_alike_until_the_rules_change(job: Job) -> None:
    stream = say(job, 0, "".join(f"iter {step}: loss {step / 7}\n" for step in range(3000)))
    before = repr([catalog(job.open()), records(job.open()).records])
    assert seal(job.open(), 1) == 1
    points._open.clear()
    assert repr([catalog(job.open()), records(job.open()).records]) == before
    with points_of(job.open()) as source:
        assert source.covers[stream].segments
    (job.writer.folder / ".ranklog/rules.toml").write_text(RULE + "[[rule]]\npattern = 'iter (?P<n>\\d+)'\n")
    assert [(one.key, one.count) for one in catalog(job.open())] == [("n", 3000)]
    made_again(job.open())
    points._open.clear()
    assert [(one.key, one.count) for one in catalog(job.open())] == [("n", 3000)]


def test_a_line_without_end_is_no_damage(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from ranklog_collector.series import blocks

    monkeypatch.setattr(blocks, "BLOCK_BYTES", 100)
    monkeypatch.setattr(blocks, "LINE_BYTES_MAX", 200)
    say(job, 0, "x" * 5000 + "\niter 1: loss 2.0\n")
    assert keys(job.open()) == [("loss", True)]
    assert facts(job.open()).damaged == 0


def test_the_command_says_which_metrics_were_printed(job: Job) -> None:
    say(job, 0, "iter 1: loss 2.0\n")
    shown = CliRunner().invoke(metrics_command, [str(job.writer.folder)])
    assert "printed" in shown.output
    assert "note" not in shown.output


def test_who_watches_a_run_is_told_of_printed_metrics_and_only_of_these(job: Job) -> None:
    stream = say(job, 0, "hello\n")
    folder = job.open()
    seen = look(folder)

    def news(text: str) -> set[str]:
        nonlocal seen
        job.writer.write(stream, text.encode(), 2)
        folder.refresh()
        before, seen = seen, look(folder, seen)
        return set(difference(folder, before, seen)) - {"processes", "files"}

    assert news("nothing to tell\niter 0: lo") == {"logs"}
    assert news("ss 2.5, ti") == {"logs"}
    assert news("me 10ms\n") == {"logs", "metrics"}
    assert news("x" * 300_000) == {"logs", "metrics"}, "too much to be looked through"
