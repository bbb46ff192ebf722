"""A training loop under torchrun: one all_reduce a step.

usage: trainer.py MODE BAD_RANK [STEPS]; PG_TIMEOUT in seconds.
"""

import datetime
import os
import signal
import sys

import torch
import torch.distributed as dist
from sleeping import sleep
from torch.distributed.elastic.multiprocessing.errors import record

BAD_STEP = 3


def fail(mode: str, rank: int) -> None:
    print(f"[rank {rank}] about to {mode} at step {BAD_STEP}")
    if mode == "exc":
        raise RuntimeError(f"CUDA error: simulated on rank {rank}")
    if mode == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "hang":
        sleep(3600)
    if mode == "early_exit":
        sys.exit(0)
    if mode == "slow":
        sleep(3)


@record
def main(mode: str, bad: int, steps: int) -> None:
    rank = int(os.environ["RANK"])
    print(f"[rank {rank}] hello host={os.uname().nodename} isatty={sys.stdout.isatty()} pid={os.getpid()}")
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=float(os.environ.get("PG_TIMEOUT", "10"))))
    for step in range(steps):
        if step == BAD_STEP and mode == "excall":  # all fail, the bad one first
            sleep(0 if rank == bad else 0.3)
            raise RuntimeError(f"data corrupt, rank {rank}")
        if step == BAD_STEP and rank == bad and mode != "ok":
            fail(mode, rank)
        ones = torch.ones(4)
        dist.all_reduce(ones)
        print(f"[rank {rank}] step {step} loss {1 / (step + 1):.4f} sum {ones[0].item()}")
        sleep(0.1)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 8)
