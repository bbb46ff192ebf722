"""A row of two numeric columns, repeated: one column over the other."""

from __future__ import annotations

import math

from ranklog import Run

run = Run.get_context()
for i in range(-10, 10):
    angle = i / 2.0
    run.log_row(name="Cosine Wave", angle=angle, cos=math.cos(angle))
