"""Ranks that speak one after the other, so that the order of their lines is known.

usage: turns.py FILE RANKS TURNS PAUSE_S; FILE, which they share, grows by a byte with each turn.
"""

import sys
from pathlib import Path

from rank import own_rank
from sleeping import sleep

file, ranks, turns, pause_s = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
for turn in range(own_rank(), turns, ranks):
    while file.stat().st_size < turn:
        sleep(0.005)
    print(f"turn {turn}", flush=True)
    sleep(pause_s)
    with file.open("ab") as shared:
        shared.write(b".")
