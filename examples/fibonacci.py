"""A list of numbers in one call: one curve in the studio.

python examples/fibonacci.py
mpirun -n 4 ranklog exec -- python examples/fibonacci.py
"""

from __future__ import annotations

from ranklog import Run

run = Run.get_context()
run.log_list(name="Fibonacci", value=[0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
