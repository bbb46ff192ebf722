"""Submits the script in `source/`, shows what it says, and picks the best alpha from the metrics that it logged.

python examples/alpha_sweep/submit.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from ranklog import Experiment, PyTorchConfiguration, ScriptRunConfig, Workspace

processes = int(sys.argv[1]) if len(sys.argv) > 1 else 1
experiment = Experiment(Workspace.from_config(), "alpha-sweep")
source = ScriptRunConfig(
    source_directory=str(Path(__file__).parent / "source"),
    script="train.py",
    arguments=["--points", 200],
    distributed_job_config=PyTorchConfiguration(process_count=processes) if processes > 1 else None,
)
run = experiment.submit(source, show_output=True)
run.wait_for_completion(show_output=False)

metrics = run.get_metrics(rank=0 if processes > 1 else None)
error, alpha = min(zip(metrics["mse"], metrics["alpha"], strict=True))
print(f"the best alpha is {alpha} with a mean squared error of {error:.4f}")
