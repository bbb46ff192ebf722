"""A job that hangs: all ranks wait for one that is somewhere else.

usage: hang.py ODD_RANK
"""

import os
import subprocess
import sys
import time

RANK = int(os.environ.get("RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or 0)
WORKER = "import time\ndef load():\n    time.sleep(1000)\nload()\n"


def waiting() -> None:
    time.sleep(1000)


def elsewhere() -> None:
    time.sleep(1000)


def main(odd: int) -> None:
    if RANK == 0:
        subprocess.Popen([sys.executable, "-c", WORKER])
    print(f"rank {RANK} is about to hang", flush=True)
    if odd == RANK:
        elsewhere()
    else:
        waiting()


main(int(sys.argv[1]))
