"""An interactive session, as in a notebook: this process is the run, from start_logging() to complete()."""

from __future__ import annotations

from ranklog import Experiment, Workspace

workspace = Workspace.from_config()
experiment = Experiment(workspace, "interactive")

run = experiment.start_logging(display_name="first steps", outputs=False)
for step in range(5):
    run.log("accuracy", 1 - 0.5**step, step=step)
run.tag("stage", "draft")
run.complete()

# Now it is a whole run folder; `ranklog runs` lists it.
print(f"run {run.id} is {run.get_status()}")
for name, values in run.get_metrics().items():
    print(name, values)
