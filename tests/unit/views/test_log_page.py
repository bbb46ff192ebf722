"""Output comes page by page: each line once, in the order of time, whatever arrives when, and whoever asks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ranklog_collector.reading import sieve
from ranklog_collector.reading.folder import QuestionError, RunFolder
from ranklog_collector.views import logs
from ranklog_collector.views.logs import Question, log_page
from tests.support.run_writer import START, RunWriter, job

OLD = 1.0
Page = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "r"


def page(run: RunWriter, cursor: str | None = None, question: Question = Question(), **options: Any) -> Page:  # noqa: B008
    """What a process that has never seen the run says."""
    return log_page(RunFolder(str(run.folder)), question, cursor=cursor, **options)


def texts(answer: Page) -> list[str]:
    return [line["text"] for line in answer["lines"]]


def rest(run: RunWriter, cursor: str | None = None, question: Question = Question(), **options: Any) -> list[list[str]]:  # noqa: B008
    """All pages until there is no more."""
    pages = []
    while True:
        answer = page(run, cursor, question, **options)
        pages.append(texts(answer))
        cursor = answer["cursor"]
        if not answer["more"]:
            return pages


def test_lines_of_all_ranks_are_in_the_order_of_time_with_their_places(folder: Path) -> None:
    run, (first, second) = job(folder, 2)
    run.write(first, b"a\nb\n", at=1)
    run.write(second, b"c\n", at=2)
    run.write(first, b"d\n", at=3)
    answer = page(run)
    assert texts(answer) == ["a", "b", "c", "d"]
    assert answer["lines"][2] == {
        "run": "r1",
        "rank": 1,
        "node": "n0",
        "stream": "stdout",
        "path": "azureml-logs/70_driver_log_1.txt",
        "time": "2026-09-21T14:13:22.000000000Z",
        "offset": 0,
        "level": None,
        "text": "c",
    }
    assert answer["lines"][3]["offset"] == 4
    assert answer["more"] is False


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 100])
def test_pages_of_any_size_have_every_line_once(folder: Path, limit: int) -> None:
    run, streams = job(folder, 3)
    for turn in range(4):
        for rank, stream in enumerate(streams):
            run.write(stream, b"".join(b"%d %d %d\n" % (turn, rank, line) for line in range(3)), at=turn)
    pages = rest(run, limit=limit)
    assert all(len(one) == limit for one in pages[:-1])
    everything = [text for one in pages for text in one]
    assert everything == [f"{turn} {rank} {line}" for turn in range(4) for rank in range(3) for line in range(3)]


def test_a_cursor_goes_on_with_what_has_come_since_also_late_from_another_node(folder: Path) -> None:
    run, (first, second) = job(folder, 2)
    run.write(first, b"early\n", at=5)
    cursor = page(run)["cursor"]
    assert page(run, cursor)["lines"] == []
    run.write(second, b"late, of long ago\n", at=1)
    run.write(first, b"new\n", at=6)
    answer = page(run, page(run, cursor, limit=1)["cursor"])
    assert texts(answer) == ["new"]
    assert texts(page(run, cursor)) == ["late, of long ago", "new"]


def test_streams_that_begin_later_are_read_from_their_beginning(folder: Path) -> None:
    run, (first,) = job(folder, 1)
    run.write(first, b"one\n", at=1)
    cursor = page(run)["cursor"]
    run.rank(1)
    run.write(run.output(1), b"two\n", at=2)
    assert texts(page(run, cursor)) == ["two"]


def test_only_what_the_collector_has_for_good_is_given_while_the_run_goes_on(folder: Path) -> None:
    run, (first,) = job(folder, 1)
    run.write(first, b"vouched\n", at=1)
    run.write(first, b"not yet\n", vouch=False)
    answer = page(run)
    assert texts(answer) == ["vouched"]
    assert page(run, answer["cursor"])["lines"] == []


def now_s() -> float:
    return (time.time_ns() - START) / 1e9


def test_a_line_without_its_end_is_given_once_nothing_has_come_for_a_while(folder: Path) -> None:
    run, (first,) = job(folder, 1)
    run.write(first, b"whole\nPassword: ", at=now_s() + 3600)
    answer = page(run)
    assert texts(answer) == ["whole"]
    quiet, (stream,) = job(folder.with_name("quiet"), 1)
    quiet.write(stream, b"whole\nPassword: ", at=OLD)
    answer = page(quiet)
    assert texts(answer) == ["whole", "Password: "]
    quiet.write(stream, b"\nwelcome\n", at=now_s())
    assert texts(page(quiet, answer["cursor"])) == ["welcome"]


def test_at_the_end_of_the_run_the_last_words_are_given(folder: Path) -> None:
    run, (first,) = job(folder, 1)
    run.write(first, b"last words", at=now_s() + 3600)
    cursor = page(run)["cursor"]
    run.end()
    assert texts(page(run, cursor)) == ["last words"]


def test_a_search_goes_on_where_its_time_was_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BUFFER_SEARCHED", 1000)
    for size in ("LOOK_MIN", "LOOK_MAX"):
        monkeypatch.setattr(sieve, size, 1000)
    run, streams = job(folder, 2)
    for stream in streams:
        for turn in range(50):
            run.write(stream, b"nothing here\n" * 100 + (b"needle %d\n" % turn if turn % 10 == 0 else b""), at=turn)
    time_s = 0.0

    def clock() -> float:
        nonlocal time_s
        time_s += 0.5
        return time_s

    pages = rest(run, question=Question(grep="needle"), clock=clock)
    assert len(pages) > 10
    found = [text for one in pages for text in one]
    assert found == [f"needle {turn}" for turn in range(0, 50, 10) for _ in streams]


def test_a_page_of_hits_goes_on_behind_the_last_one(folder: Path) -> None:
    run, (first,) = job(folder, 1)
    run.write(first, b"".join(b"%d\n" % number for number in range(100)), at=1)
    pages = rest(run, question=Question(grep="7"), limit=5)
    assert [text for one in pages for text in one] == [str(number) for number in range(100) if "7" in str(number)]


def test_a_file_that_was_cut_by_its_collector_goes_on_at_the_cut(folder: Path) -> None:
    from ranklog_collector.core import journal

    run, (first,) = job(folder, 1)
    run.write(first, b"one\ntwo\n", at=1)
    cursor = page(run)["cursor"]
    run.log(journal.Reset(first, 4))
    with run.path(first).open("r+b") as file:
        file.truncate(4)
    assert page(run, cursor)["lines"] == []


def test_a_file_that_is_replaced_is_read_anew(folder: Path) -> None:
    run, _ = job(folder, 1)
    stream = run.stream("logs/status.txt", role="log", name="logs/status.txt")
    run.snapshot(stream, b"half\n", at=1)
    question = Question(streams=("log",))
    cursor = page(run, question=question)["cursor"]
    run.snapshot(stream, b"done\n", at=2)
    assert texts(page(run, cursor, question)) == ["done"]


def test_it_may_begin_with_the_last_lines(folder: Path) -> None:
    run, (first, second) = job(folder, 2)
    run.write(first, b"".join(b"a%d\n" % number for number in range(1000)), at=1)
    run.write(second, b"b0\nb1\n", at=2)
    answer = page(run, tail=3)
    assert texts(answer) == ["a999", "b0", "b1"]
    run.write(first, b"next\n", at=3)
    assert texts(page(run, answer["cursor"], tail=3)) == ["next"]


def test_lines_are_chosen_by_rank_node_stream_and_time(folder: Path) -> None:
    run, streams = job(folder, 3)
    for rank, stream in enumerate(streams):
        run.write(stream, b"%d early\n" % rank, at=1)
        run.write(stream, b"%d late\n" % rank, at=15)
    run.end(at=20)
    assert texts(page(run, question=Question(rank="0,2", since="10s"))) == ["0 late", "2 late"]
    assert texts(page(run, question=Question(rank="1", until="+5s"))) == ["1 early"]
    assert texts(page(run, question=Question(nodes=("n9",)))) == []
    assert len(texts(page(run, question=Question(streams=("*_1.txt",))))) == 2


def test_an_answer_is_bounded_in_bytes_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "ANSWER_BYTES", 1000)
    run, (first,) = job(folder, 1)
    run.write(first, (b"x" * 400 + b"\n") * 10, at=1)
    assert [len(one) for one in rest(run)] == [3, 3, 3, 1]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Question(grep="("), "no regular expression"),
        (Question(rank="x"), "no list of ranks"),
        (Question(since="yesterday"), "is no time"),
        (Question(until="+"), "is no time"),
        (Question(level="bad"), "is no level"),
        (Question(around="never"), "nor an event"),
        (Question(around="lost"), "no node was lost"),
        (Question(grep=r"(a)\1"), "RE2"),
    ],
)
def test_a_question_that_cannot_be_understood_is_refused(folder: Path, question: Question, words: str) -> None:
    run, _ = job(folder, 1)
    with pytest.raises(QuestionError, match=words):
        page(run, question=question)


def test_lines_so_grave_are_found_page_by_page(folder: Path) -> None:
    run, (first, second) = job(folder, 2)
    run.write(first, b"fine\nWARNING slow\n", at=1)
    run.write(second, b"ERROR no\nValueError: bad\n", at=2)
    assert rest(run, question=Question(level="warning"), limit=2) == [["WARNING slow", "ERROR no"], ["ValueError: bad"]]
    assert rest(run, question=Question(level="warning", grep="no|fine")) == [["ERROR no"]]
    assert [line["level"] for line in page(run)["lines"]] == [None, "warning", "error", "error"]


TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "a.py", line 1, in f',
    "    g()",
    "ValueError: bad",
]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_traceback_is_as_grave_as_its_first_line_and_given_whole_however_the_pages_are_cut(
    folder: Path, limit: int
) -> None:
    run, (first, second) = job(folder, 2)
    run.write(first, ("fine\n" + "\n".join(TRACEBACK) + "\n  indented\n\nfine\nERROR no\n  detail\n").encode(), at=1)
    run.write(second, b"fine\n", at=2)
    pages: list[Page] = []
    while not pages or pages[-1]["more"]:
        pages.append(page(run, pages[-1]["cursor"] if pages else None, Question(level="error"), limit=limit))
    lines = [line for one in pages for line in one["lines"]]
    assert [line["text"] for line in lines] == [*TRACEBACK, "  indented", "ERROR no"]
    assert {line["level"] for line in lines} == {"error"}


def test_a_traceback_that_comes_in_parts_is_given_whole(folder: Path) -> None:
    run, (first,) = job(folder, 1)
    found: list[Any] = []
    cursor = None
    for part in ("fine\n", f"{TRACEBACK[0]}\n{TRACEBACK[1]}\n", f"{TRACEBACK[2]}\n", f"{TRACEBACK[3]}\nfine\n"):
        run.write(first, part.encode(), at=now_s())
        answer = page(run, cursor, Question(level="error"))
        found += answer["lines"]
        cursor = answer["cursor"]
    assert [(line["text"], line["level"]) for line in found] == [(line, "error") for line in TRACEBACK]


def test_lines_around_an_event_are_those_near_it(folder: Path) -> None:
    run, (first,) = job(folder, 1)
    for second in (1, 20, 27, 40):
        run.write(first, b"at %d\n" % second, at=second)
    run.exit(0, at=24)
    run.end(at=50)
    assert texts(page(run, question=Question(around="rank 0"))) == ["at 20", "at 27"]
    assert texts(page(run, question=Question(around="rank 0", since="+21s"))) == ["at 27"]


def test_tail_and_a_search_do_not_go_together(folder: Path) -> None:
    run, _ = job(folder, 1)
    with pytest.raises(QuestionError, match="tail"):
        page(run, question=Question(grep="x"), tail=3)
