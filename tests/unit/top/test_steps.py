"""How far a process is, by what it prints."""

from __future__ import annotations

import pytest

from ranklog_collector.top.steps import Step, printed_step


@pytest.mark.parametrize(
    ("line", "value", "kind"),
    [
        ("step 12 loss 0.3", 12, "step"),
        ("[Rank 0] step=10, skipped=0, lr=[0.0001]", 10, "step"),
        ("global_step: 7", 7, "step"),
        (" iteration      100/    1000 | consumed samples: 800", 100, "step"),
        ("iter 3: loss 2.3, time 12ms", 3, "step"),
        ("Epoch 2, step 40/100", 40, "step"),
        (" 37%|███▋      | 370/1000 [00:12<00:20, 31.2it/s]", 370, "bar"),
        ("Train Epoch: 4 [640/60000 (1%)]", 4, "epoch"),
    ],
)
def test_steps_are_found_in_what_trainers_print(line: str, value: int, kind: str) -> None:
    assert printed_step([line]) == Step(value, kind)


@pytest.mark.parametrize("line", ["", "hello", "stepping stone", "footstep 12x", "step " + "9" * 400])
def test_what_is_no_step_is_none(line: str) -> None:
    assert printed_step([line]) is None


def test_the_latest_line_counts_and_steps_come_before_epochs() -> None:
    assert printed_step(["step 1", "step 2", "saving", "epoch 9"]) == Step(2, "step")
