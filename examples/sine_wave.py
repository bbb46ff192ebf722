"""A table of two numeric columns, in one call."""

from __future__ import annotations

import math

from ranklog import Run

angles = [i / 2.0 for i in range(-10, 10)]
sines = {"angle": angles, "sine": [math.sin(angle) for angle in angles]}

run = Run.get_context()
run.log_table(name="Sine Wave", value=sines)
