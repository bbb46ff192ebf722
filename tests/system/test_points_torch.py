"""Scalars of a real torch, which the SDK never imports."""

from __future__ import annotations

import json
import os
import subprocess

from tests.support.hosts import REPOSITORY
from tests.support.launchers import VENVS
from tests.system.conftest import require

PYTHON = VENVS / "torch" / "bin" / "python"
CODE = """
import json, sys
from ranklog.points.values import plain
assert "torch" not in sys.modules
import torch
kinds = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8, torch.int8, torch.int64, torch.bool]
values = [torch.tensor(1, dtype=kind) for kind in kinds]
values += [torch.nn.Parameter(torch.tensor(0.25)), torch.tensor([2.5], requires_grad=True), torch.tensor([1, 2])]
values += [torch.tensor(1.0, device="meta"), torch.tensor(1 + 2j)]
print(json.dumps([plain(value) for value in values]))
"""


def test_scalars_of_torch_become_numbers() -> None:
    require(None if PYTHON.exists() else "torch is missing: run script/install-test-programs")
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY / "sdk")}
    done = subprocess.run([PYTHON, "-c", CODE], env=environ, capture_output=True, text=True, check=True)
    numbers = [1.0, 1.0, 1.0, 1.0, 1, 1, 1, True, 0.25, 2.5]
    texts = ["tensor([1, 2])", "tensor(..., device='meta', size=())", "tensor(1.+2.j)"]
    assert repr(json.loads(done.stdout)) == repr([*numbers, *texts])
