"""Which commands are jobs over several hosts, and what is prepared for one."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from ranklog.layout import agent_lock_path
from ranklog_collector.launch.nodes import Nodes, spans_hosts

OPEN_MPI = "mpirun (Open MPI) 4.1.4"
HYDRA = "HYDRA build details:"


@pytest.mark.parametrize(
    ("command", "version", "environ", "expected"),
    [
        ("mpirun -n 4 python train.py", OPEN_MPI, {}, False),
        ("mpirun --host a:2,b:2 python train.py", OPEN_MPI, {}, True),
        ("timeout 60 mpirun -H a,b -n 4 x", OPEN_MPI, {}, True),
        ("mpirun --hostfile=hosts x", OPEN_MPI, {}, True),
        ("mpirun -n 4 x -f settings", OPEN_MPI, {}, False),
        ("mpirun -n 4 x", OPEN_MPI, {"PBS_NODEFILE": "/var/nodes"}, True),
        ("mpirun -n 4 x", OPEN_MPI, {"SLURM_JOB_NUM_NODES": "2"}, True),
        ("mpirun -n 4 x", OPEN_MPI, {"SLURM_JOB_NUM_NODES": "1"}, False),
        ("mpiexec -f hosts -n 4 x", HYDRA, {}, True),
        ("mpiexec -hosts a,b -n 4 x", HYDRA, {}, True),
        ("mpiexec -n 4 x -f settings", HYDRA, {}, False),
        ("srun -n 4 x", "", {}, True),
        ("sh job.sh", "", {}, False),
        ("sh job.sh", "", {"SLURM_JOB_NUM_NODES": "8"}, True),
        ("python train.py --host a", "", {}, False),
    ],
)
def test_a_job_over_several_hosts_is_known_by_its_options_and_by_what_schedulers_say(
    command: str, version: str, environ: dict[str, str], expected: bool
) -> None:
    assert spans_hosts(command.split(), version, environ) is expected


def no_news(text: str) -> None:
    raise AssertionError(text)


def nodes(folder: Path, *, are_several: bool = True) -> Nodes:
    return Nodes("r1", str(folder), str(folder / "spool"), "here", "10.0.0.1", are_several)


def test_a_job_on_one_host_is_nobodys_business_elsewhere(tmp_path: Path) -> None:
    alone = nodes(tmp_path, are_several=False)
    assert (alone.listen, alone.address("127.0.0.1:7")) == ("127.0.0.1:0", "127.0.0.1:7")
    assert alone.settings == {"RANKLOG_AGENT": "none"}
    with alone.prepared("secret", no_news):
        assert list(tmp_path.iterdir()) == []


def test_other_hosts_find_collector_and_token_and_this_ones_agent_is_not_theirs_to_start(tmp_path: Path) -> None:
    several = nodes(tmp_path)
    assert several.address("0.0.0.0:7") == "10.0.0.1:7"
    assert several.local_address("0.0.0.0:7") == "127.0.0.1:7"
    token_file = Path(several.settings["RANKLOG_TOKEN_FILE"])
    with several.prepared("secret", no_news):
        assert token_file.read_text() == "secret"
        assert token_file.stat().st_mode & 0o777 == 0o600
        with open(agent_lock_path(several.spool, "here"), "rb") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not token_file.exists()


def test_a_spool_that_cannot_be_made_is_told_and_the_job_goes_on(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    told: list[str] = []
    with nodes(tmp_path).prepared("secret", told.append):
        assert len(told) == 1
        assert "Not a directory" in told[0]
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]
