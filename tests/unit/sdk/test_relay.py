"""What `ranklog exec` takes of a command that has ended, when it gets the processor too late."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from ranklog.capture import relay
from ranklog.capture.hand import Hand
from ranklog.capture.relay import Relay
from ranklog.capture.source import GULP_BYTES, Source
from ranklog.capture.tape import Tape
from ranklog.capture.terminal import WINDOW, open_raw


class EndedChild:
    status = 0


class Inbox:
    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        return self._number


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let so many seconds pass from one look at the clock to the next."""

    def pace(seconds: float) -> None:
        ticks = count()
        monkeypatch.setattr(relay, "monotonic", lambda: next(ticks) * seconds)

    return pace


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Our end and the command's, which a descendant still holds."""
    ends = open_raw(WINDOW)
    yield ends
    for number in ends:
        os.close(number)


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(str(tmp_path / "stdout.log"), lambda text: None)


@pytest.mark.parametrize("seconds", [0.2, 60.0])
def test_last_words_are_taken_however_late_it_is(
    seconds: float, clock: Callable[[float], None], terminal: tuple[int, int], tape: Tape
) -> None:
    ours, theirs = terminal
    clock(seconds)
    silent, _ = os.pipe()
    serving = Relay(
        cast(Any, EndedChild()), [Source(ours, Hand(GULP_BYTES, 1), [tape], None)], cast(Any, Inbox(silent)), None, 0
    )
    os.write(theirs, b"last words\n")
    serving.drain()
    assert Path(tape.path).read_bytes() == b"last words\n"
