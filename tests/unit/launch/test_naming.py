"""What runs are called."""

from __future__ import annotations

import shlex

import pytest

from ranklog_collector.launch.naming import program_name


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("mpirun -n 4 --oversubscribe python examples/train.py --lr 1", "train"),
        ("python -u train.py", "train"),
        ("python3 -m pkg.train --epochs 3", "pkg.train"),
        ("python -m torch.distributed.run --nproc-per-node 2 /x/llm.py", "llm"),
        ("torchrun --nproc-per-node 2 llm.py", "llm"),
        ("srun -n 4 python -m pkg.train", "pkg.train"),
        ("mpirun -n 4 ./a.out", "mpirun"),
        ("timeout 60 env A=b /usr/bin/hostname -f", "hostname"),
        ("./a.out", "a.out"),
        ("env A=b", "env"),
        ("python -c 'print(1)'", "python"),
    ],
)
def test_a_run_is_named_after_what_it_is_about(line: str, name: str) -> None:
    assert program_name(shlex.split(line)) == name
