"""One value again and again, as in a training loop: one curve that grows as it is logged."""

from __future__ import annotations

import math

from ranklog import Run

run = Run.get_context()
for i in range(-10, 10):
    run.log(name="Sigmoid", value=1 / (1 + math.exp(-i)))
