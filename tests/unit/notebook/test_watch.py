"""Looking at a run again and again, whatever its source answers."""

from __future__ import annotations

import pytest

from ranklog.errors import RunNotFoundError, UnreachableError
from ranklog.notebook.watch import LINES, Choice, View, Watch
from ranklog.run import Run
from tests.unit.notebook.conftest import Told, line, metric, process

ANYTHING = Choice()


def texts(view: View) -> list[str]:
    return [text for _, text in view.log["lines"]]


def test_a_look_sees_all_parts(run: Run, told: Told) -> None:
    told.found, told.known, told.said = [process(0)], [metric("loss")], [line("hello\n")]
    view = Watch(run).look(ANYTHING)
    assert (view.head["status"], view.head["experiment"], view.head["url"]) == (
        "Running",
        "demo",
        "http://head:8080/#/runs/r1",
    )
    assert view.processes["counts"] == {"Running": 1}
    assert [row["key"] for row in view.metrics] == ["loss"]
    assert view.chart["curves"] == [{"name": "0", "x": [1, 2], "y": [0.5, None]}]
    assert view.log == {"rank": "", "first": 0, "lines": [["0", "hello"]]}
    assert (view.trouble, view.has_ended, view.is_silent) == ("", False, False)


def test_a_run_that_is_only_being_started_is_no_trouble(run: Run, told: Told) -> None:
    told.facts = told.found = told.known = RunNotFoundError("there is no run r1")
    view = Watch(run).look(ANYTHING)
    assert (view.head["run_id"], view.trouble, view.has_ended) == ("r1", "", False)


def test_what_cannot_be_read_stays_as_it_was(run: Run, told: Told) -> None:
    watch = Watch(run)
    told.found = [process(0)]
    watch.look(ANYTHING)
    told.facts = told.found = UnreachableError("no collector answers at http://head:8080")
    view = watch.look(ANYTHING)
    assert view.processes["counts"] == {"Running": 1}
    assert view.head["status"] == "Running"
    assert view.trouble == "no collector answers at http://head:8080"
    assert view.is_silent
    told.found, told.facts = [process(0, "Completed")], {"state": "completed"}
    view = watch.look(ANYTHING)
    assert (view.trouble, view.processes["counts"]) == ("", {"Completed": 1})


def test_nothing_that_goes_wrong_is_raised(run: Run, told: Told) -> None:
    told.facts = told.found = told.known = ValueError("a\x00bug")
    assert Watch(run).look(ANYTHING).trouble == "ValueError: a␀bug"


@pytest.mark.parametrize(
    ("state", "has_ended"), [("completed", True), ("failed", True), ("canceled", True), ("lost", False)]
)
def test_it_has_ended_when_nothing_more_will_come(run: Run, told: Told, state: str, has_ended: bool) -> None:
    told.facts["state"] = state
    view = Watch(run).look(ANYTHING)
    assert view.has_ended is has_ended
    assert view.is_silent is (state == "lost")


def test_a_failed_run_says_why(run: Run, told: Told) -> None:
    told.facts["state"] = "failed"
    told.found = [process(0), process(1, "Failed", exit="SIGKILL", ended="2026-01-01T00:00:01Z", name="rank_1")]
    assert Watch(run).look(ANYTHING).head["error"] == "rank 1 ended with SIGKILL"
    told.judged = {"status": "failed", "headline": "rank 0 (pid 7) raised ValueError: boom at 12:00:00.123 ±20 ms"}
    assert Watch(run).look(ANYTHING).head["error"] == told.judged["headline"]
    told.judged = {"status": "unknown", "headline": "how both ranks ended was not recorded"}
    assert Watch(run).look(ANYTHING).head["error"] == "rank 1 ended with SIGKILL"


# ---- choices ---------------------------------------------------------------------------------------------------------


def test_the_chosen_metric_is_drawn(run: Run, told: Told) -> None:
    told.known = [metric("accuracy"), metric("loss")]
    watch = Watch(run)
    assert watch.look(ANYTHING).chart["key"] == "accuracy"
    assert watch.look(Choice("loss")).chart["key"] == "loss"
    assert watch.look(Choice("no such thing")).chart["key"] == "accuracy"


def test_a_metric_of_many_is_drawn_over_ranks_with_the_chosen_one(run: Run, told: Told) -> None:
    told.known = [metric("loss", processes=1000)]
    watch = Watch(run)
    chart = watch.look(ANYTHING).chart
    assert chart["band"]["mean"] == [1.0]
    assert chart["band"]["max"] == [None]
    assert chart["curves"] == []
    assert [each["name"] for each in watch.look(Choice(rank="17")).chart["curves"]] == ["17"]
    watch.look(Choice(rank="1-3"))
    assert told.asked == [
        ("aggregate", "loss"),
        ("series", "loss", 17),
        ("aggregate", "loss"),
        ("aggregate", "loss"),
    ]


def test_lines_are_those_of_the_chosen_ranks(run: Run, told: Told) -> None:
    told.said = [line("a", 0), line("b", 1)]
    watch = Watch(run)
    assert texts(watch.look(ANYTHING)) == ["a", "b"]
    view = watch.look(Choice(rank=" 1 "))
    assert (texts(view), view.log["rank"], view.log["first"]) == (["b"], "1", 0)


# ---- lines -----------------------------------------------------------------------------------------------------------


def test_new_lines_are_added_and_numbered(run: Run, told: Told) -> None:
    watch = Watch(run)
    told.said = [line(str(number)) for number in range(LINES)]
    watch.look(ANYTHING)
    told.said += [line("new"), line("newer")]
    view = watch.look(ANYTHING)
    assert len(texts(view)) == LINES
    assert (view.log["first"], texts(view)[-2:]) == (2, ["new", "newer"])


def test_who_says_more_than_can_be_read_is_seen_by_the_end_of_it(run: Run, told: Told) -> None:
    watch = Watch(run)
    told.said = [line("first")]
    watch.look(ANYTHING)
    told.said += [line(str(number)) for number in range(5000)]
    view = watch.look(ANYTHING)
    assert texts(view) == [str(number) for number in range(5000 - LINES, 5000)]
    assert view.log["first"] > 1, "a gap in the numbers"
    told.said.append(line("last"))
    assert texts(watch.look(ANYTHING))[-1] == "last"
