"""How long what is written stays invisible at the other end."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.lines import line
from bench.processes import BenchError

POLL_S = 0.0002
"""How often is looked; a time may be this much too long."""
TIMEOUT_S = 20.0


@dataclass
class _Way:
    """Descriptors of a file that is written and of the one in which it arrives."""

    source: int
    target: int
    expected: int
    """Size of the target when all that was written is there."""


@dataclass
class _Sent:
    target: int
    end: int
    at_s: float


def sample(ways: Sequence[tuple[str, str]], rate: float, seconds: float) -> list[float]:
    """Append lines to the sources in turn, `rate` a second; returns for each the seconds until it is in its target.

    Sources and targets exist, and nothing is on its way. Lines are written when their time has come, whether or not
    earlier ones have arrived: a stall counts for all that it holds up. Raises BenchError if a line does not arrive.
    """
    with ExitStack() as stack:
        opened = [_open(stack, source, target) for source, target in ways]
        began = time.perf_counter()
        underway: deque[_Sent] = deque()
        took: list[float] = []
        for number in range(round(rate * seconds)):
            due = began + number / rate
            while time.perf_counter() < due:
                _collect(underway, took)
                time.sleep(POLL_S)
            underway.append(_write(opened[number % len(opened)], number))
        while underway:
            _collect(underway, took)
            time.sleep(POLL_S)
    return took


def _open(stack: ExitStack, source: str, target: str) -> _Way:
    leaving, arriving = os.open(source, os.O_WRONLY | os.O_APPEND), os.open(target, os.O_RDONLY)
    stack.callback(os.close, leaving)
    stack.callback(os.close, arriving)
    return _Way(leaving, arriving, os.fstat(arriving).st_size)


def _write(way: _Way, number: int) -> _Sent:
    content = line(number)
    way.expected += len(content)
    at_s = time.perf_counter()
    os.write(way.source, content)
    return _Sent(way.target, way.expected, at_s)


def _collect(underway: deque[_Sent], took: list[float]) -> None:
    """Note what has arrived, in whatever order."""
    for _ in range(len(underway)):
        sent = underway.popleft()
        waited = time.perf_counter() - sent.at_s
        if os.fstat(sent.target).st_size >= sent.end:
            took.append(waited)
        elif waited > TIMEOUT_S:
            raise BenchError(f"a line has not arrived within {TIMEOUT_S:.0f} s")
        else:
            underway.append(sent)
