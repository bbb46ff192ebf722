"""A rank that logs and prints, and goes on when a file appears.

usage: notebook_rank.py GATE
"""

import os
import sys
import time

from ranklog import Run

HOSTILE = "<img src=x onerror=\"alert('name')\">"

run = Run.get_context()
rank = int(os.environ["RANK"])


def train(first, last):
    for step in range(first, last):
        run.log("loss", (rank + 1) / (step + 1), step=step)
        run.log(HOSTILE, step, step=step)
        print(f"step {step} of rank {rank}", flush=True)


train(0, 10)
print("<script>alert('line')</script>\x1b[31mred\x1b[0m\x07", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
train(10, 20)
print(f"rank {rank} is done", flush=True)
