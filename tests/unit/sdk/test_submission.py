"""What a configuration starts, and the copy of the source folder in which it does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ranklog import MpiConfiguration, PyTorchConfiguration, RunConfiguration, ScriptRunConfig, TensorflowConfiguration
from ranklog.configuration import Distribution
from ranklog.errors import UserError
from ranklog.submission import snapshot
from ranklog.submission.ignore import is_ignored, parse
from ranklog.submission.job import Job, Wanted, launched, plan
from ranklog.submission.slurm import Batch, script

# ---- the command ----------------------------------------------------------------------------------------------------


def planned(**wanted: object) -> Job:
    fields = {"script": "train.py", "arguments": None, "command": None, "distribution": None, **wanted}
    return plan(Wanted(**fields), "python3", is_root=False)  # type: ignore[arg-type]


def test_a_script_runs_with_its_arguments_as_texts() -> None:
    job = planned(arguments=["--lr", 0.1, "--name", "a b"])
    assert launched(job) == ["--", "python3", "train.py", "--lr", "0.1", "--name", "a b"]


def test_arguments_may_be_one_text() -> None:
    assert planned(arguments="--lr 0.1 'a b'").words[2:] == ["--lr", "0.1", "a b"]


def test_a_command_takes_the_place_of_a_script() -> None:
    assert planned(script=None, command=["ls", "-l", 1]).words == ["ls", "-l", "1"]
    assert planned(script=None, command="ls | wc").words == ["/bin/sh", "-c", "ls | wc"]


@pytest.mark.parametrize(
    "wanted",
    [{"script": None}, {"command": ["ls"]}, {"script": "../up.py"}, {"script": "/train.py"}],
)
def test_what_cannot_be_run_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(UserError):
        planned(**wanted)


def test_several_processes_on_one_node_are_started_by_ranklog() -> None:
    job = planned(distribution=PyTorchConfiguration(process_count=4))
    assert launched(job) == ["-n", "4", "--", "python3", "train.py"]


def test_an_mpi_job_is_started_by_mpirun() -> None:
    job = planned(distribution=MpiConfiguration(process_count_per_node=4))
    assert launched(job) == ["--", "mpirun", "-n", "4", "python3", "train.py"]
    assert "OMPI_ALLOW_RUN_AS_ROOT" not in job.environment


@pytest.mark.parametrize(
    ("distribution", "shape"),
    [
        (MpiConfiguration(process_count_per_node=8, node_count=2), (2, 8)),
        (PyTorchConfiguration(process_count=8, node_count=4), (4, 2)),
        (PyTorchConfiguration(node_count=4), (4, 1)),
    ],
)
def test_nodes_and_processes_of_each_are_known(distribution: Distribution, shape: tuple[int, int]) -> None:
    job = planned(distribution=distribution)
    assert (job.nodes, job.tasks_per_node) == shape


@pytest.mark.parametrize(
    "distribution", [PyTorchConfiguration(process_count=3, node_count=2), TensorflowConfiguration(2, 1)]
)
def test_what_cannot_be_distributed_is_refused(distribution: Distribution) -> None:
    with pytest.raises(UserError):
        planned(distribution=distribution)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MpiConfiguration(0),
        lambda: MpiConfiguration(1, -1),
        lambda: PyTorchConfiguration("mpi"),
        lambda: PyTorchConfiguration(process_count=0),
        lambda: ScriptRunConfig(".", "train.py", distributed_job_config="mpi"),  # type: ignore[arg-type]
        lambda: ScriptRunConfig(".", "train.py", resume_from="path"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(make: object) -> None:
    with pytest.raises(UserError):
        make()  # type: ignore[operator]


def test_a_run_configuration_says_what_the_arguments_do_not() -> None:
    known = RunConfiguration(script="a.py", arguments=["--x"])
    known.environment_variables = {"A": 1}  # type: ignore[dict-item]
    assert ScriptRunConfig(".", run_config=known).wanted() == Wanted("a.py", ["--x"], None, None, {"A": "1"})
    assert ScriptRunConfig(".", "b.py", ["--y"], run_config=known).wanted().script == "b.py"
    known.communicator, known.node_count, known.mpi = "IntelMpi", 2, MpiConfiguration(4)
    config = ScriptRunConfig(".", run_config=known)
    assert vars(config.distributed_job_config or 0) == vars(MpiConfiguration(4, 2))


def test_the_script_for_slurm_is_one_that_a_shell_understands(tmp_path: Path) -> None:
    batch = Batch(
        name="e",
        folder="/shared/it's here",
        output="/shared/out.txt",
        ranklog_run=["/opt/bin/ranklog", "run", "--tag", "a=it's"],
        words=["python3", "train.py", "$HOME", "a 'b'"],
        environment={"A": "x y"},
        nodes=2,
        tasks_per_node=4,
        seconds_max=90,
    )
    path = tmp_path / "job.sbatch"
    path.write_text(script(batch))
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
    text = path.read_text()
    for directive in ("--nodes=2", "--ntasks-per-node=4", "--time=3", "--output=/shared/out.txt"):
        assert f"#SBATCH {directive}\n" in text
    shape = "--nodes=2 --ntasks=8 --ntasks-per-node=4"
    assert f"-- srun {shape} python3 train.py '$HOME' 'a '\"'\"'b'\"'\"''" in text
    assert "export A='x y'" in text


# ---- what is left out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patterns", "path", "is_folder", "expected"),
    [
        ("data", "data", True, True),
        ("data", "deep/data", False, True),
        ("/data", "deep/data", False, False),
        ("data/", "data", False, False),
        ("data/", "data", True, True),
        ("*.log", "a/b/c.log", False, True),
        ("*.log", "a.log/x", False, False),
        ("a/*.bin", "a/x.bin", False, True),
        ("a/*.bin", "a/b/x.bin", False, False),
        ("a/**/x", "a/x", False, True),
        ("a/**/x", "a/b/c/x", False, True),
        ("**/x", "x", False, True),
        ("a/**", "a/b/c", False, True),
        ("a/**", "a", True, False),
        ("*.log\n!keep.log", "keep.log", False, False),
        ("!keep.log\n*.log", "keep.log", False, True),
        ("?.py", "a.py", False, True),
        ("?.py", "ab.py", False, False),
        ("[a-c].py", "b.py", False, True),
        ("[!a-c].py", "b.py", False, False),
        ("# data\n\n  ", "data", False, False),
        ("\\#x", "#x", False, True),
        ("trailing   ", "trailing", False, True),
        ("[z-a]", "z", False, False),
    ],
)
def test_patterns_mean_what_git_means(patterns: str, path: str, is_folder: bool, expected: bool) -> None:
    assert is_ignored(path, is_folder, parse(patterns)) is expected


def test_a_copy_has_what_is_not_ignored(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    files = ("train.py", "lib/a.py", "data/big.bin", ".git/HEAD", "lib/__pycache__/a.pyc", "outputs/old", "runs/e/r/x")
    for name in files:
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (source / ".gitignore").write_text("data/\n")
    (source / "train.py").chmod(0o755)
    snapshot.take(str(source), str(target), str(source / "runs"))
    copied = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert copied == {"train.py", "lib/a.py", ".gitignore"}
    assert os.access(target / "train.py", os.X_OK)


def test_azures_ignore_file_comes_before_gits(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / ".gitignore").write_text("a\n")
    (source / ".amlignore").write_text("b\n")
    for name in "ab":
        (source / name).touch()
    snapshot.take(str(source), str(tmp_path / "target"), str(tmp_path / "runs"))
    assert (tmp_path / "target" / "a").exists()
    assert not (tmp_path / "target" / "b").exists()


def test_links_lead_where_they_led(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "lib").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_text("far")
    (source / "lib" / "a").write_text("near")
    (source / "near").symlink_to("lib/a")
    (source / "far").symlink_to("../data")
    snapshot.take(str(source), str(target), str(tmp_path / "runs"))
    assert (target / "near").read_text() == "near"
    assert (target / "near").resolve() == (target / "lib" / "a").resolve()
    assert (target / "far" / "x").read_text() == "far"


def test_too_much_is_refused_with_the_largest_files_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "BYTES_MAX", 1000)
    source = tmp_path / "source"
    source.mkdir()
    (source / "model.bin").write_bytes(bytes(2000))
    with pytest.raises(UserError, match=r"\.amlignore.*model\.bin"):
        snapshot.take(str(source), str(tmp_path / "target"), str(tmp_path / "runs"))
    assert not (tmp_path / "target").exists()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no source folder"):
        snapshot.take(str(tmp_path / "none"), str(tmp_path / "target"), str(tmp_path / "runs"))
