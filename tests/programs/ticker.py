"""A flushed line every so often.

usage: ticker.py [TICKS [PERIOD_S]]
"""

import sys
import time

from rank import own_rank

ticks = int(sys.argv[1]) if len(sys.argv) > 1 else 60
period_s = float(sys.argv[2]) if len(sys.argv) > 2 else 0.25
rank = own_rank()
for tick in range(ticks):
    print(f"rank {rank} tick {tick}", flush=True)
    time.sleep(period_s)
print(f"rank {rank} finished")
