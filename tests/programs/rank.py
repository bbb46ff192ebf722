"""Which rank this process is, and of how many."""

import os

# torchrun first: its ranks may themselves run inside a task of Slurm or a rank of MPI.
NAMES = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID")
SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")


def own_rank() -> int:
    return next(int(os.environ[name]) for name in NAMES if name in os.environ)


def world_size() -> int:
    return next(int(os.environ[name]) for name in SIZES if name in os.environ)
