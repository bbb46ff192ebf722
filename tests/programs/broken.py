"""A training loop of which one rank breaks: all ranks meet at a barrier in each step, so the others suffer from it.

Some failures are harder to tell: others survive errors of their own, print harmless words that look like errors, or
have words of their own for a peer that is gone.

usage: broken.py FAILURE BAD_RANK MEETING [STEPS]; MEETING is a file that all ranks see.
"""

import ctypes
import logging
import os
import signal
import sys
import time
from pathlib import Path

from barrier import Barrier
from rank import own_rank, world_size

BAD_STEP = 6
LIVED_ON_STEP = 4
STEP_S = 0.1
MIB = 1 << 20
SIGNALS = {"kill": signal.SIGKILL, "own_words": signal.SIGKILL, "stopped": signal.SIGSTOP}
CODES = {"exit3": 3, "survived": 1, "noise": 1, "early_exit": 0, "own_words_early": 0}
NOISE = (
    "WARNING CUDA out of memory. Retrying with half the batch",
    "retry: Connection reset by peer",
    "W: No space left on device in the cache, it is switched off",
    "Killed 3 stale workers",
)


def fail(failure: str, rank: int) -> None:
    if failure == "exception":
        raise RuntimeError(f"loss is not finite in batch {rank + 17}")
    if failure == "abort":
        os.abort()
    if failure == "segfault":
        ctypes.string_at(0)
    if failure in SIGNALS:
        os.kill(os.getpid(), SIGNALS[failure])
    if failure == "memory":
        held = []
        while True:
            held.append(b"x" * MIB)
    if failure in CODES:
        sys.exit(CODES[failure])
    if failure == "hang":
        signal.pause()
    if failure == "import":
        import flash_attention_that_nobody_has  # noqa: F401
    if failure == "disk_full":
        with open("/dev/full", "w") as checkpoint:
            checkpoint.write("x" * MIB)


def live_on(failure: str) -> None:
    """What a rank says that nothing is wrong with."""
    if failure == "survived":
        try:
            raise KeyError("sample 3")
        except KeyError:
            logging.exception("skipped")
    if failure == "noise":
        for line in NOISE:
            print(line, flush=True)


def main(failure: str, bad: int, meeting: str, steps: int = 10) -> None:
    rank = own_rank()
    barrier = Barrier(rank, world_size(), Path(meeting))
    for step in range(steps):
        time.sleep(STEP_S)
        if rank == bad and step == BAD_STEP:
            fail(failure, rank)
        if rank == (bad + 1) % world_size() and step == LIVED_ON_STEP:
            live_on(failure)
        print(f"step {step}: loss {1 / (step + 1):.4f} on rank {rank}", flush=True)
        try:
            barrier.wait()
        except ConnectionError:
            if failure.startswith("own_words"):
                raise RuntimeError("a member of the group has left") from None
            raise
    print(f"rank {rank} has finished", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
