"""A rank that logs 0, 1, 2, … and notes each number once `log` has returned.

usage: counting.py FOLDER SECONDS
"""

import os
import random
import sys
import time

from ranklog import Run

folder, seconds = sys.argv[1], float(sys.argv[2])
rank = os.environ["OMPI_COMM_WORLD_RANK"]
noted = os.open(f"{folder}/{rank}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
dice = random.Random(rank)
run = Run.get_context()
number, until = 0, time.monotonic() + seconds
while time.monotonic() < until:
    for _ in range(dice.randrange(200)):
        run.log("x", number, step=number)
        os.write(noted, b"%d\n" % number)
        number += 1
    time.sleep(dice.random() * 0.05)
