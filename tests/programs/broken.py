"""A training loop of which one rank breaks: all ranks meet at a barrier in each step, so the others suffer from it.

usage: broken.py FAILURE BAD_RANK MEETING [STEPS]; MEETING is a file that all ranks see.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

from barrier import Barrier
from rank import own_rank, world_size

BAD_STEP = 6
STEP_S = 0.1
MIB = 1 << 20


def fail(failure: str, rank: int) -> None:
    if failure == "exception":
        raise RuntimeError(f"loss is not finite in batch {rank + 17}")
    if failure == "abort":
        os.abort()
    if failure == "segfault":
        ctypes.string_at(0)
    if failure == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if failure == "memory":
        held = []
        while True:
            held.append(b"x" * MIB)
    if failure == "exit3":
        sys.exit(3)
    if failure == "early_exit":
        sys.exit(0)
    if failure == "hang":
        signal.pause()
    if failure == "import":
        import flash_attention_that_nobody_has  # noqa: F401
    if failure == "disk_full":
        with open("/dev/full", "w") as checkpoint:
            checkpoint.write("x" * MIB)


def main(failure: str, bad: int, meeting: str, steps: int = 10) -> None:
    rank = own_rank()
    barrier = Barrier(rank, world_size(), Path(meeting))
    for step in range(steps):
        time.sleep(STEP_S)
        if rank == bad and step == BAD_STEP:
            fail(failure, rank)
        print(f"step {step}: loss {1 / (step + 1):.4f} on rank {rank}", flush=True)
        barrier.wait()
    print(f"rank {rank} has finished", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
