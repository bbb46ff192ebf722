"""From a run folder to a verdict: what is read, on whose clock, and what comes of damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from ranklog_collector.core.verdict.finding import Category, Confidence, Status, Verdict
from ranklog_collector.http import answers
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.verdict import judge
from ranklog_collector.views.verdict import verdict_view
from tests.support.run_writer import RunWriter, job, ns
from tests.unit.verdict.jobs import CLOSED, RAISED

BOOM = RAISED.format(error="ValueError: boom").encode()


def judged(run: RunWriter, signatures: Path | None = None) -> Verdict:
    return judge(RunFolder(str(run.folder)), signatures=None if signatures is None else str(signatures))


def two_nodes(folder: Path, ahead_s: float = 0) -> RunWriter:
    """Rank 1, on the second node, crashes; rank 0 sees its connection closed 0.4 s later. The second clock is ahead."""
    run = RunWriter(folder, world_size=2)
    run.node("n0", "10.0.0.1")
    run.node("n1", "10.0.0.2")
    run.clock("n0", 0)
    run.clock("n1", -ahead_s)
    run.rank(0, "n0")
    run.rank(1, "n1", at=ahead_s)
    first, second = run.output(0), run.output(1)
    for step in range(5):
        run.write(first, b"step %d\n" % step, at=5 + step)
        run.write(second, b"step %d\n" % step, at=5 + step + ahead_s)
    run.exit(1, at=10 + ahead_s, code=None, signal=11, signal_name="SIGSEGV", max_rss_bytes=1)
    run.write(first, CLOSED.format(peer="10.0.0.2").encode(), at=10.4)
    run.exit(0, at=10.6, code=1, max_rss_bytes=1)
    run.end("failed")
    return run


@pytest.mark.parametrize("ahead_s", [-5, -0.5, 0, 0.5, 5])
def test_a_clock_that_is_wrong_changes_nothing(tmp_path: Path, ahead_s: float) -> None:
    found = judged(two_nodes(tmp_path / "r", ahead_s))
    (culprit,) = found.culprits
    assert (culprit.name, culprit.node, culprit.ip) == ("rank_1", "n1", "10.0.0.2")
    assert (found.category, found.confidence) == (Category.CRASH, Confidence.CERTAIN)
    (wake,) = found.consequences
    assert (wake.what, wake.ranks) == ("connection closed by 10.0.0.2", (0,))
    assert wake.delay_min_ns is not None
    assert abs(wake.delay_min_ns - 400_000_000) < 10_000_000
    assert culprit.last_words[0].text == "step 4"


def test_a_quote_says_where_it_is(tmp_path: Path) -> None:
    run, (stream, _) = job(tmp_path / "r", 2)
    run.write(stream, b"hello\n", at=1)
    run.write(stream, BOOM, at=2)
    run.exit(0, at=3, code=1)
    run.end("failed")
    (quote,) = judged(run).culprits[0].quotes
    assert (quote.path, quote.offset, quote.process) == ("azureml-logs/70_driver_log_0.txt", 6, "rank_0")
    assert quote.text == BOOM.decode().rstrip()
    assert (run.folder / quote.path).read_bytes()[quote.offset :] == BOOM


def test_the_same_rank_and_the_same_words_in_stderr_are_read_too(tmp_path: Path) -> None:
    run, _ = job(tmp_path / "r", 2)
    stderr = run.output(1, "azureml-logs/70_driver_log_1_stderr.txt", role="stderr")
    run.write(stderr, BOOM, at=2)
    run.exit(1, at=3, code=1)
    run.end("failed")
    assert judged(run).culprits[0].summary == "raised ValueError: boom"


def test_what_much_output_lies_behind_is_found_if_nothing_nearer_tells(tmp_path: Path) -> None:
    run, (stream, _) = job(tmp_path / "r", 2)
    run.write(stream, BOOM + b"cleaning up, this takes a while\n" * 20_000, at=2)
    run.exit(0, at=3, code=1)
    run.end("failed")
    assert judged(run).culprits[0].summary == "raised ValueError: boom"


def test_a_file_that_is_missing_says_nothing_but_that_it_is(tmp_path: Path) -> None:
    run, (stream, _) = job(tmp_path / "r", 2)
    run.write(stream, BOOM, at=2)
    run.exit(0, at=3, code=1)
    run.end("failed")
    run.path(stream).unlink()
    found = judged(run)
    assert (found.category, found.culprits[0].name) == (Category.EXIT_CODE, "rank_0")
    assert "azureml-logs/70_driver_log_0.txt cannot be read: No such file or directory" in found.remarks


def test_a_launchers_copy_is_read_once_and_is_no_evidence(tmp_path: Path) -> None:
    run, (stream, _) = job(tmp_path / "r", 2)
    key = run.rank(None, role="launcher", argv=["mpirun"])
    for role in ("launcher_log", "launcher_stdout", "launcher_stderr"):
        copy = run.stream(f"overall/{role}.txt", role=role, process=key)
        run.write(copy, RAISED.format(error="ValueError: other").encode(), at=1.5)
    run.write(stream, BOOM, at=2)
    run.exit(0, at=3, code=1)
    run.end("failed")
    (culprit,) = judged(run).culprits
    assert culprit.summary == "raised ValueError: boom"


def test_a_run_that_nobody_writes_any_more_says_so(tmp_path: Path) -> None:
    run, (stream, _) = job(tmp_path / "r", 2)
    run.write(stream, b"step 1\n", at=2)
    found = judged(run)
    assert (found.status, found.culprits) == (Status.UNKNOWN, ())
    assert any("no collector is writing this run" in one for one in found.remarks)


def test_a_rank_that_is_behind_by_what_it_logs_is_suspect(tmp_path: Path) -> None:
    run, streams = job(tmp_path / "r", 4)
    for rank, stream in enumerate(streams):
        for second in range(1, 6):
            run.write(stream, b"working\n", at=second)
        last = 2 if rank == 2 else 3
        points = run.stream(f".ranklog/metrics/n0/{rank}.jsonl", role="metrics", process=run._keys[rank][1])
        run.write(points, b"".join(b'{"t":1,"k":"loss","v":0.5,"s":%d}\n' % step for step in range(last + 1)), at=5)
        run.exit(rank, at=100 + rank / 1000, code=None, signal=15, asked_signal=15, asked_ns=ns(99))
    run.end("canceled")
    found = judged(run)
    assert [(one.name, one.category) for one in found.culprits] == [("rank_2", Category.HANG)]
    assert "stopped after step 2, the others after step 3" in found.headline
    assert found.status is Status.CANCELED


OWN = """
[[signature]]
name = 'licence'
role = 'root'
category = 'usage'
pattern = 'LICENCE (?P<code>\\d+) EXPIRED'
says = 'has no licence {code}'
"""


def licensed(folder: Path) -> RunWriter:
    run, (stream, _) = job(folder, 2)
    run.write(stream, b"LICENCE 7 EXPIRED\n", at=2)
    run.exit(0, at=3, code=1)
    run.end("failed")
    return run


@pytest.mark.parametrize(
    "where", ["root/.ranklog-signatures.toml", "root/default/r/.ranklog/signatures.toml", "own.toml"]
)
def test_users_have_signatures_of_their_own(tmp_path: Path, where: str) -> None:
    run = licensed(tmp_path / "root/default/r")
    (tmp_path / where).write_text(OWN)
    found = judged(run, tmp_path / where if where == "own.toml" else None)
    assert (found.culprits[0].summary, found.category) == ("has no licence 7", Category.USAGE)
    assert found.culprits[0].quotes[0].signature == "licence"


@pytest.mark.parametrize("text", ["[[signature", "[[signature]]\nname='x'\nrole='root'\npattern='('", "\xff"])
def test_signatures_that_are_none_are_complained_of(tmp_path: Path, text: str) -> None:
    run = licensed(tmp_path / "root/default/r")
    (run.folder / ".ranklog/signatures.toml").write_text(text, encoding="latin-1")
    with pytest.raises(ReadingError, match=r"signatures\.toml"):
        judged(run)


def test_a_link_is_no_file_of_signatures(tmp_path: Path) -> None:
    run = licensed(tmp_path / "root/default/r")
    (tmp_path / "elsewhere.toml").write_text(OWN)
    (run.folder / ".ranklog/signatures.toml").symlink_to(tmp_path / "elsewhere.toml")
    with pytest.raises(ReadingError, match="links are not followed"):
        judged(run)


def test_the_json_is_as_the_api_describes_it(tmp_path: Path) -> None:
    folder = RunFolder(str(two_nodes(tmp_path / "r").folder))
    view = verdict_view(folder, "r1")
    found = answers.Verdict.model_validate(view)
    assert (found.run, found.status, found.category, found.confidence) == ("r1", "failed", "crash", "certain")
    (culprit,) = found.culprits
    assert (culprit.time or "").endswith("Z")
    assert culprit.error_s < 0.1
    (wake,) = found.consequences
    assert wake.delay_min_s == pytest.approx(0.4, abs=0.01)
    assert wake.quotes[0].signature == "gloo-peer-gone"
    assert found.next_steps == ["ranklog logs r1 --rank 1 --tail 50"]
