"""Following a run: each line of each rank once, with whose it is, and what failed first."""

from __future__ import annotations

import io
from typing import Any

import pytest

from ranklog.errors import RunFailedError, RunFileError, RunNotFoundError, UnreachableError
from ranklog.run import Run
from ranklog.source.protocol import Json
from ranklog.streaming import wait

Step = tuple[str | None, list[Json]]
"""A state, None if there is no run yet, and the lines that are new."""


class Script:
    """A source that plays: each time its state is asked for, time goes on by one step."""

    url = "http://head:8080"

    def __init__(
        self, steps: list[tuple[str | None, list[Json]]], processes: list[Json], files: dict[str, str]
    ) -> None:
        self._steps = steps
        self._now = -1
        self._processes = processes
        self._files = files
        self.judged: Json = {}
        self.cursors: list[str | None] = []

    def run(self, run_id: str) -> Json:
        self._now = min(self._now + 1, len(self._steps) - 1)
        state = self._steps[self._now][0]
        if state is None:
            raise RunNotFoundError("not yet")
        return {"run_id": run_id, "experiment": "e", "state": state, "processes": len(self._processes)}

    def logs(self, run_id: str, cursor: str | None = None, rank: str | None = None) -> tuple[list[Json], str]:
        self.cursors.append(cursor)
        lines = [line for _, lines in self._steps[: self._now + 1] for line in lines]
        start = int(cursor or 0)
        return lines[start : start + 2], str(min(len(lines), start + 2))

    def verdict(self, run_id: str) -> Json:
        return self.judged

    def processes(self, run_id: str) -> list[Json]:
        return self._processes

    def files(self, run_id: str, prefix: str = "") -> list[Json]:
        owner = {"role": "stdout", "process": "rank_1"}
        return [{"path": path, "size": len(text), **owner} for path, text in self._files.items() if prefix in path]

    def file(self, run_id: str, path: str, start: int = 0) -> bytes:
        if path not in self._files:
            raise RunFileError(path)
        return self._files[path].encode()[start:]


def process(rank: int, state: str = "Completed", exit: str = "0", ended: str = "") -> Json:  # noqa: A002
    return {"rank": rank, "name": f"rank_{rank}", "state": state, "exit": exit, "ended": ended, "role": "rank"}


def line(rank: int | None, text: str, stream: str = "stdout") -> Json:
    return {"rank": rank, "text": text, "stream": stream}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranklog.streaming.POLL_S", 0.0)


def follow(script: Script, **options: Any) -> tuple[dict[str, Any], list[str]]:
    out = io.StringIO()
    details = wait(Run(None, "r", source=script), True, output=out, **options)  # type: ignore[arg-type]
    return details, out.getvalue().splitlines()


def test_all_ranks_are_shown_each_line_once() -> None:
    steps: list[Step] = [
        ("running", [line(0, "a"), line(1, "a"), line(1, "b")]),
        ("running", []),
        ("running", [line(None, "from mpirun", "launcher_log")]),
        ("completed", [line(0, "last words")]),
    ]
    script = Script(steps, [process(0), process(1)], {})
    details, said = follow(script)
    assert details["status"] == "Completed"
    shown = [each for each in said if each.startswith("[")]
    assert shown == ["[0] a", "[1] a", "[1] b", "[launcher_log] from mpirun", "[0] last words"]
    assert [cursor for cursor in script.cursors if cursor is None] == [None]


def test_a_run_of_one_process_needs_no_labels() -> None:
    _, said = follow(Script([("completed", [line(None, "hello")])], [process(0)], {}))
    assert "hello" in said


def test_of_a_progress_bar_the_last_state_is_shown() -> None:
    _, said = follow(Script([("completed", [line(None, " 0%\r50%\r100%\r\n")])], [process(0)], {}))
    assert "100%" in said


class Away(Script):
    """Its first answers, as many as `answers`, come; then a few do not."""

    def __init__(self, answers: int, failures: int) -> None:
        super().__init__([("running", []), ("completed", [line(None, "after all")])], [process(0)], {})
        self._answers, self._failures = answers, failures

    def logs(self, run_id: str, cursor: str | None = None, rank: str | None = None) -> tuple[list[Json], str]:
        self._answers -= 1
        if self._answers < 0 < self._failures:
            self._failures -= 1
            raise UnreachableError("nobody answers")
        return super().logs(run_id, cursor, rank)


def test_a_collector_that_was_there_may_be_away_for_a_while() -> None:
    _, said = follow(Away(answers=1, failures=5))
    assert said.count("after all") == 1


def test_a_collector_that_never_was_there_is_not_waited_for() -> None:
    with pytest.raises(UnreachableError, match="nobody answers"):
        follow(Away(answers=0, failures=1))


def test_head_and_summary_are_azures() -> None:
    _, said = follow(Script([("completed", [])], [], {}))
    assert said[:2] == ["RunId: r", "Web View: http://head:8080/#/runs/r"]
    assert said[said.index("Execution Summary") :][:3] == ["Execution Summary", "=================", "RunId: r"]


def test_the_verdict_is_the_reason() -> None:
    script = Script([("failed", [])], [process(0, "Failed", "1", "2026-01-01T00:00:05Z")], {})
    script.judged = {"status": "failed", "headline": "node node1 was lost"}
    with pytest.raises(RunFailedError, match="has failed: node node1 was lost"):
        follow(script)


def test_without_a_verdict_the_rank_that_failed_first_is_the_reason() -> None:
    text = "epoch 1\nTraceback (most recent call last):\n  File\nValueError: bad loss\nbye\n"
    processes = [process(0, "Failed", "1", "2026-01-01T00:00:09Z"), process(1, "Failed", "3", "2026-01-01T00:00:05Z")]
    script = Script([("failed", [])], processes, {"azureml-logs/70_driver_log_1.txt": text})
    with pytest.raises(RunFailedError, match="rank 1 ended with exit code 3: ValueError: bad loss"):
        follow(script)
    details, said = follow(Script([("failed", [])], processes, {"70_driver_log_1.txt": text}), raise_on_error=False)
    assert details["error"]["error"]["message"] == "rank 1 ended with exit code 3: ValueError: bad loss"
    assert "rank 1 ended with exit code 3: ValueError: bad loss" in said


def test_a_run_of_which_nobody_hears_has_failed() -> None:
    with pytest.raises(RunFailedError, match="nobody has heard of it"):
        follow(Script([("running", []), ("interrupted", [])], [], {}))


def test_nothing_is_shown_unless_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script([("running", [line(0, "a")]), ("completed", [])], [process(0)], {})
    assert wait(Run(None, "r", source=script))["status"] == "Completed"  # type: ignore[arg-type]
    assert capsys.readouterr().out == ""
    assert script.cursors == []


def test_who_stops_looking_does_not_stop_the_run() -> None:
    class Interrupted(Script):
        def logs(self, run_id: str, cursor: str | None = None, rank: str | None = None) -> tuple[list[Json], str]:
            raise KeyboardInterrupt

    out = io.StringIO()
    script = Interrupted([("running", [])], [], {})
    with pytest.raises(KeyboardInterrupt):
        wait(Run(None, "r", source=script), True, output=out)  # type: ignore[arg-type]
    assert "Run r goes on" in out.getvalue()
