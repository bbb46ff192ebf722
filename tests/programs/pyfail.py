"""A rank in Python without MPI that prints six lines, and one of which fails.

usage: pyfail.py MODE BAD_RANK [FOLDER]; each line, once printed, is also noted in FOLDER/<rank>.
"""

import os
import signal
import sys
import time
from pathlib import Path

from rank import own_rank

STEPS = 5
STEP_S = 0.2


def fail(mode: str, rank: int) -> None:
    if mode == "exc":
        raise ValueError(f"boom on rank {rank}")
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "exit0":
        sys.exit(0)
    if mode == "exit7":
        sys.exit(7)
    if mode == "hang":
        signal.pause()


def main(mode: str, bad: int, folder: str | None = None) -> None:
    rank = own_rank()

    def say(text: str) -> None:
        print(text)
        if folder is not None:
            with Path(folder, str(rank)).open("a") as notes:
                notes.write(text + "\n")

    say(f"rank {rank} isatty={sys.stdout.isatty()} pid={os.getpid()}")
    for step in range(STEPS):
        say(f"rank {rank} step {step}")
        time.sleep(STEP_S)
    if rank == bad:
        say(f"rank {rank} LAST LINE before {mode}")
        fail(mode, rank)
    time.sleep(3)
    say(f"rank {rank} finished")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
