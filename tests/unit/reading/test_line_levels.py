"""How grave a line is, by what programs usually write."""

from __future__ import annotations

import pytest
import re2

from ranklog_collector.core.line_levels import LEVELS, line_level, suspects

KNOWN = [
    ("2026-11-24 15:00:00,123 WARNING train: slow", "warning"),
    ("WARNING:root:slow", "warning"),
    ("INFO:train:fine", "info"),
    ("[2026-11-24 15:00:00][ERROR] no", "error"),
    ("2026-11-24 15:00:00.123 | CRITICAL | mod:f:12 - no", "critical"),
    ("2026-11-24 15:00:00.123 | SUCCESS  | mod:f:12 - yes", "info"),
    ("E1124 15:20:37.777933 424 socket.cpp:207] no", "error"),
    ("[rank0]:[W1124 15:20:37.777933424 ProcessGroupNCCL.cpp:1168] slow", "warning"),
    ("I1124 15:20:37.777933 424 main.cc:1] fine", "info"),
    ("F1124 15:20:37.777933 424 main.cc:1] Check failed: x", "critical"),
    ("node1:123:456 [0] NCCL WARN NET/Socket : no", "warning"),
    ("node1:123:456 [0] NCCL INFO fine", "info"),
    ('{"ts": 1, "level": "warn", "msg": "slow"}', "warning"),
    ("ts=1 level=error msg=no", "error"),
    ('{"severity":"DEBUG","message":"x"}', "debug"),
    ("slurmstepd: error: no", "error"),
    ("a.c:3:5: warning: unused", "warning"),
    ("cc1: fatal error: x.h: no such file", "critical"),
    ("/app/a.py:3: UserWarning: slow", "warning"),
    ("ValueError: no", "error"),
    ("[rank3]: torch.OutOfMemoryError: no more", "error"),
    ("Traceback (most recent call last):", "error"),
    ("[node1:1349] *** Process received signal ***", "error"),
    ("Fatal Python error: Segmentation fault", "critical"),
    ("\x1b[33mWARNING\x1b[0m slow", "warning"),
    ("DEBUG 3", "debug"),
]


@pytest.mark.parametrize(("line", "level"), KNOWN)
def test_a_line_says_how_grave_it_is(line: str, level: str) -> None:
    assert line_level(line.encode()) == level


@pytest.mark.parametrize(
    "line", ["", "step 10 loss 0.4", "errors: 0", "saved to /scratch/ERRORS.txt", "no warning here", "level 5 reached"]
)
def test_a_line_that_does_not_say_has_no_level(line: str) -> None:
    assert line_level(line.encode()) is None


@pytest.mark.parametrize(("line", "level"), KNOWN)
def test_what_is_so_grave_is_suspected_beforehand(line: str, level: str) -> None:
    options = re2.Options()
    options.case_sensitive = False
    for least in LEVELS[: LEVELS.index(level) + 1]:
        assert re2.compile(suspects(least), options).search(line)
