"""A progress bar as tqdm draws it: redrawn by carriage returns on stderr.

usage: bar.py [STEPS]
"""

import sys
import time

from rank import own_rank

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
rank = own_rank()
for step in range(steps + 1):
    share = step / steps
    print(
        f"\rrank {rank}: {share:6.1%}|{'#' * int(20 * share):20s}| {step}/{steps}", end="", file=sys.stderr, flush=True
    )
    time.sleep(0.005)
print(file=sys.stderr)
print(f"rank {rank} epoch done loss=0.5")
