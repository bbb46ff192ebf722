"""What is said of a job while it runs: hangs, ranks that left early, launchers that do not end."""

from __future__ import annotations

from typing import Any

from ranklog_collector.core.verdict.evidence import Member, Step, Suspicion
from ranklog_collector.core.verdict.finding import Category, Confidence, Status, Verdict
from tests.unit.verdict.jobs import TIMED_OUT, mpirun, named, ns, rank, verdict


def live(members: list[Member], now: float = 30, launcher: Member | None = None, **facts: Any) -> Verdict:
    return verdict(members, launcher, state="running", is_live=True, now_ns=ns(now), **facts)


def speaking(number: int, at: float, text: str = "step 2", **facts: Any) -> Member:
    return rank(number, (at, text), rhythm=1, **facts)


def test_a_job_that_goes_on_is_fine() -> None:
    found = live([speaking(one, 29) for one in range(4)])
    assert (found.status, found.headline) == (Status.FINE, "all 4 ranks run; nothing has gone wrong so far")


def test_a_pause_as_long_as_others_before_is_no_hang() -> None:
    slow = [rank(one, (5, "step 2"), rhythm=20) for one in range(4)]
    assert live(slow).status is Status.FINE


def test_ranks_that_never_say_much_are_not_called_silent() -> None:
    quiet = [rank(one, (1, "hello")) for one in range(1, 4)]
    assert live([speaking(0, 29), *quiet]).status is Status.FINE


def test_when_all_are_silent_the_odd_last_word_is_suspect() -> None:
    found = live([*(speaking(one, 9) for one in (0, 1, 3)), speaking(2, 9, "about to hang")])
    assert (named(found), found.status, found.category) == (["rank_2"], Status.SUSPECT, Category.HANG)
    assert found.confidence is Confidence.POSSIBLE
    assert "nobody has said anything for 21.0 s" in found.headline
    assert found.next_steps[0] == "ranklog stacks r1"


def test_when_all_are_silent_the_one_that_is_behind_is_suspect() -> None:
    found = live(
        [
            *(speaking(one, 9, "step 3", step=Step("", None, 3)) for one in (0, 1, 3)),
            speaking(2, 9, "step 2", step=Step("", None, 2)),
        ]
    )
    assert (named(found), found.confidence) == (["rank_2"], Confidence.LIKELY)
    assert "stopped after step 2, the others after step 3" in found.headline


def test_steps_that_are_told_in_other_words_are_not_compared() -> None:
    first = speaking(0, 9, "100 iterations", step=Step("# iterations", None, 100))
    others = [speaking(one, 9, "step 900", step=Step("step #", None, 900)) for one in (1, 2, 3)]
    assert named(live([first, *others])) in ([], ["rank_0"])  # its last words are others, too
    found = live([first, *others])
    assert found.confidence is Confidence.POSSIBLE


def test_an_epoch_counts_for_more_than_a_step() -> None:
    ahead = [speaking(one, 9, step=Step("", 2, 1)) for one in (0, 1, 3)]
    found = live([*ahead, speaking(2, 9, step=Step("", 1, 900))])
    assert named(found) == ["rank_2"]
    assert "stopped after epoch 1, step 900, the others after epoch 2, step 1" in found.headline


def test_stacks_say_more_than_last_words() -> None:
    suspicion = Suspicion((1,), "is in main (t.py:17), the others wait in all_reduce", Confidence.LIKELY, ns(20))
    found = live([*(speaking(one, 9) for one in (0, 1, 3)), speaking(2, 9, "odd")], suspicions=(suspicion,))
    assert (named(found), found.confidence) == (["rank_1"], Confidence.LIKELY)
    assert "is in main (t.py:17)" in found.headline


def test_stacks_of_long_ago_say_nothing_of_who_has_moved_since() -> None:
    suspicion = Suspicion((1,), "is in main", Confidence.LIKELY, ns(2))
    found = live([speaking(one, 9) for one in range(4)], suspicions=(suspicion,))
    assert found.culprits == ()


def test_of_a_job_that_seldom_speaks_stacks_are_told_and_nobody_is_accused() -> None:
    suspicion = Suspicion((1,), "is in main (t.py:17), the others wait in all_reduce", Confidence.LIKELY, ns(20))
    found = live([rank(one, (1, "up")) for one in range(4)], suspicions=(suspicion,))
    assert (found.status, found.culprits) == (Status.FINE, ())
    said = "by its stacks or flight recordings, rank 1 is in main (t.py:17), the others wait in all_reduce"
    assert found.remarks == (said,)


def test_when_all_are_silent_and_alike_nobody_is_accused() -> None:
    found = live([speaking(one, 9) for one in range(4)])
    assert (found.status, found.category, found.culprits) == (Status.SUSPECT, Category.HANG, ())


def test_few_that_are_silent_while_the_others_go_on_are_suspect() -> None:
    found = live([*(speaking(one, 29) for one in (0, 1, 3)), speaking(2, 9)])
    assert (named(found), found.status) == (["rank_2"], Status.SUSPECT)
    assert "has said nothing for 21.0 s; the others go on" in found.headline


def test_who_waits_for_a_silent_one_is_not_said_to_go_on() -> None:
    others = [speaking(one, 9) for one in (0, 1, 3)]
    assert live([*others, speaking(2, 8.9)], now=14.0).status is Status.FINE
    assert "go on" not in live([*others, speaking(2, 8.9, "step 1")], now=15).headline


def test_who_ended_with_0_while_the_others_run_is_told() -> None:
    found = live([*(speaking(one, 29) for one in (0, 1, 3)), speaking(2, 9, end=10, code=0)])
    assert (named(found), found.status, found.category) == (["rank_2"], Status.SUSPECT, Category.EARLY_EXIT)
    assert found.headline.endswith("; ranks 0-1,3 still run")


def test_most_that_have_ended_are_no_suspects() -> None:
    found = live([*(speaking(one, 9, end=10, code=0) for one in (0, 1, 3)), speaking(2, 29)])
    assert found.status is Status.FINE


def test_who_ended_just_before_most_of_the_others_is_no_suspect() -> None:
    ended = [speaking(one, 9, end=26.9 + one / 10, code=0) for one in (0, 1, 3)]
    assert live([*ended, speaking(2, 29)]).status is Status.FINE


def test_a_launcher_that_does_not_end_is_named() -> None:
    found = live([speaking(one, 9, end=10, code=0) for one in range(4)], launcher=mpirun((1, "x")))
    assert (named(found), found.category) == (["launcher_900"], Category.LAUNCHER_HANG)
    assert found.headline.endswith("all its ranks have 20.0 s ago")


def test_a_launcher_is_given_time_to_end() -> None:
    found = live([speaking(one, 9, end=10, code=0) for one in range(4)], launcher=mpirun((1, "x")), now=12)
    assert found.status is Status.FINE


def test_a_failure_is_told_while_the_job_runs() -> None:
    found = live([*(speaking(one, 29) for one in (0, 1, 2)), speaking(3, 9, end=10, signal=11)])
    assert (named(found), found.status, found.category) == (["rank_3"], Status.FAILED, Category.CRASH)


def test_a_complaint_about_a_hang_is_told_while_the_job_runs() -> None:
    waiting = [rank(one, (9, "step 2"), (20, TIMED_OUT), rhythm=1) for one in (0, 1, 3)]
    found = live([*waiting, speaking(2, 9, "about to hang")])
    assert (named(found), found.status, found.category) == (["rank_2"], Status.SUSPECT, Category.HANG)


def test_a_job_that_had_stood_still_before_it_was_killed_hung() -> None:
    stuck = [rank(one, (9, "step 2"), rhythm=1, end=100, signal=9) for one in (0, 1, 3)]
    hung = rank(2, (9, "about to hang"), rhythm=1, end=100.001, signal=9)
    found = verdict([*stuck, hung])
    assert (named(found), found.category) == (["rank_2"], Category.HANG)
    assert "the job stood still for 1.5 min" in found.headline or "91.0 s before it was ended" in found.headline


def test_before_anything_has_started_nothing_is_wrong() -> None:
    assert live([]).status is Status.FINE
