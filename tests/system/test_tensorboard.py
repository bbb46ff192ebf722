"""Scripts that only write TensorBoard's files, unmodified: their curves and images are the run's."""

from __future__ import annotations

import os
from pathlib import Path

from ranklog_collector.reading.archive import content
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.verify import verify
from ranklog_collector.series.read import catalog, facts, records, series
from tests.support.launchers import VENVS
from tests.support.pipeline import wait_until
from tests.support.ranklog_run import PATIENCE_S, LiveRun, Result, ranklog_run
from tests.system.conftest import require

PYTHON = VENVS / "torch" / "bin" / "python"
TORCH = """
import os, numpy
from torch.utils.tensorboard import SummaryWriter
writer = SummaryWriter(comment=os.environ.get("RANK", ""))
for step in range(20):
    writer.add_scalar("loss", 2.0 ** -step, step)
    writer.add_scalar("accuracy", step / 32, step, new_style=True)
writer.add_image("noise", numpy.zeros((3, 4, 4)), 7)
writer.add_text("note", "as it is")
writer.add_histogram("weights", numpy.zeros(9))
writer.add_scalars("both", {"train": 1.0, "val": 2.0}, 1)
writer.add_hparams({"lr": 0.5, "layers": 3}, {"score": 0.25}, run_name="hparams")
writer.close()
"""
TENSORBOARD_X = """
import os, time
from tensorboardX import SummaryWriter
with SummaryWriter("far/away") as writer:
    for step in range(20):
        writer.add_scalar("loss", 2.0 ** -step, step)
    writer.flush()
    while not os.path.exists("seen"):
        time.sleep(0.05)
    writer.add_scalar("loss", 0.0, 20)
"""
LIGHTNING = """
import lightning, torch, warnings
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters({"width": 8})
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, _):
        loss = self.layer(batch).pow(2).mean()
        self.log("train_loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)
warnings.simplefilter("ignore")
data = torch.utils.data.DataLoader(torch.ones(40, 1))
trainer = lightning.Trainer(max_epochs=1, log_every_n_steps=10, accelerator="cpu", enable_checkpointing=False,
    logger=lightning.pytorch.loggers.TensorBoardLogger("."), enable_progress_bar=False)
trainer.fit(Model(), data)
"""


def prepare(folder: Path, module: str, code: str) -> None:
    found = any((VENVS / "torch/lib").glob(f"python3.*/site-packages/{module}"))
    require(None if found else f"{module} is missing: run script/install-test-programs")
    (folder / "train.py").write_text(code)


def run(folder: Path, module: str, code: str, *options: str) -> Result:
    prepare(folder, module, code)
    return ranklog_run(folder, *options, "--", str(PYTHON), "train.py")


def test_torch(tmp_path: Path) -> None:
    result = run(tmp_path, "tensorboard", TORCH)
    assert result.code == 0, result.err
    folder = result.run
    metrics = {one.key: one for one in catalog(folder)}
    names = {"loss", "accuracy", "noise", "note/text_summary", "both_train/both", "both_val/both", "hparams/score"}
    assert set(metrics) == names
    assert (metrics["loss"].count, metrics["loss"].last, metrics["accuracy"].last) == (20, 2.0**-19, 19 / 32)
    assert facts(folder).params == {"lr": "0.5", "layers": "3"}
    (image,) = records(folder, "noise").records
    assert (image.kind, image.step) == ("image", 7)
    assert b"".join(content(folder.path, image.value)).startswith(b"\x89PNG")
    assert verify(folder).is_intact


def test_torch_by_rank(tmp_path: Path) -> None:
    result = run(tmp_path, "tensorboard", TORCH, "-n", "2")
    assert result.code == 0, result.err
    (loss,) = (one for one in catalog(result.run) if one.key == "loss")
    assert (loss.ranks, loss.count) == ([0, 1], 40)
    assert [(one.rank, one.total) for one in series(result.run, "loss")] == [(0, 20), (1, 20)]


def test_a_file_that_is_held_open_is_found_wherever_it_is_and_seen_while_it_grows(tmp_path: Path) -> None:
    prepare(tmp_path, "tensorboardX", TENSORBOARD_X)
    with LiveRun(tmp_path, "--", str(PYTHON), "train.py", is_terminal=False) as live:

        def count() -> int:
            journals = list((tmp_path / "runs").glob("*/*/.ranklog/journal/events.jsonl"))
            metrics = catalog(RunFolder(str(journals[0].parents[2]))) if journals else []
            return sum(one.count for one in metrics if one.key == "loss")

        wait_until(lambda: count() > 0, "points of the file, while it is written", PATIENCE_S)
        (tmp_path / "seen").touch()
        live.process.wait(PATIENCE_S)
        assert count() == 21


def test_with_no_watch_they_are_left_alone(tmp_path: Path) -> None:
    result = run(tmp_path, "tensorboard", TORCH, "--no-watch")
    assert result.code == 0, result.err
    assert not list(result.folder.rglob("*tfevents*"))


def test_lightning(tmp_path: Path) -> None:
    result = run(tmp_path, "lightning", LIGHTNING)
    assert result.code == 0, result.err
    metrics = {one.key: one for one in catalog(result.run)}
    assert metrics["train_loss"].count == 4
    assert metrics["train_loss"].last_step == 39


def test_files_of_an_earlier_job_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "runs/old").mkdir(parents=True)
    old = tmp_path / "runs/old/events.out.tfevents.1.elsewhere.7.0"
    old.write_bytes(b"")
    os.utime(old, (1000, 1000))
    result = run(tmp_path, "tensorboard", TORCH)
    assert "loss" in {one.key for one in catalog(result.run)}
    assert not (result.folder / "logs/runs/old").exists()
