"""What real launchers leave of a job with a failing rank is imported, and the verdict is that of the job."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ranklog_collector.core.verdict.finding import Category, Status, Verdict
from ranklog_collector.importing.load import Request, load, prospect
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.processes import processes
from ranklog_collector.reading.verify import verify
from ranklog_collector.verdict import judge
from tests.support import launchers, programs
from tests.support.cluster import with_options
from tests.support.hosts import Hosts, why_no_hosts
from tests.support.launchers import Launcher
from tests.support.slurm import Slurm
from tests.system.conftest import require

RANKS = (2, 2)
TIMEOUT_S = 60


@dataclass(frozen=True)
class Site:
    """Two hosts, each with its own /tmp, and a folder that they share."""

    hosts: Hosts
    shared: Path

    def run(self, launcher: Launcher, name: str, program: Sequence[str], *options: str) -> Path:
        """Run a job in a folder of its own, in which what each of its commands says ends up as console<n>.txt."""
        require(launchers.why_missing(launcher))
        folder = self.shared / name
        folder.mkdir()
        commands = with_options(launcher.commands(self.hosts, program, RANKS), *options)
        jobs = []
        for index, command in enumerate(commands):
            with (folder / f"console{index}.txt").open("wb") as console:
                jobs += launchers.start(
                    self.hosts,
                    [command],
                    TIMEOUT_S,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                )
        for job in jobs:
            assert job.wait() != 0
        return folder

    def fetch(self, host: int, path: str, folder: Path) -> Path:
        """Bring home what is on a host's own disk."""
        target = folder / self.hosts.names[host]
        shutil.copytree(self.hosts.tmp(host) / path, target)
        return target


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require(why_no_hosts())
    shared = tmp_path_factory.mktemp("shared")
    with Hosts(2, private_tmp=True, visible=[shared]) as hosts:
        for host in (0, 1):
            (hosts.tmp(host) / "out").mkdir(parents=True)
        yield Site(hosts, shared)


def take(root: Path, *places: Path) -> tuple[RunFolder, Verdict]:
    """Import, and see that all is as it was in the sources."""
    found = prospect(Request(tuple(map(str, places)), str(root)))
    folder = RunFolder(load(found, "default", str(root)).folder)
    report = verify(folder, with_sources=True)
    assert report.is_intact
    assert report.problems == []
    return folder, judge(folder)


def nodes_of_ranks(folder: RunFolder) -> list[str]:
    return [one.node for one in processes(folder.state) if one.rank is not None]


def output(folder: RunFolder, rank: int) -> str:
    (path,) = Path(folder.path).rglob(f"70_driver_log_{rank}.txt")
    return path.read_text()


def rankc(launcher: Launcher, mode: str) -> list[str]:
    return [str(programs.compiled("rankc", launcher.mpicc or "")), mode, "3"]


def test_files_that_open_mpi_4_left_on_each_node(site: Site, tmp_path: Path) -> None:
    launcher = launchers.OpenMPI4()
    ran = site.run(
        launcher, "openmpi4", rankc(launcher, "segv"), "--display-map", "--output-filename", "/tmp/out/log:nocopy"
    )
    folder, verdict = take(tmp_path, site.fetch(0, "out/log", ran), site.fetch(1, "out/log", ran), ran / "console0.txt")
    assert nodes_of_ranks(folder) == ["node0", "node0", "node1", "node1"]
    assert output(folder, 3).splitlines()[-1] == "rank 3 about to segv (buffered last line)"
    assert b"exited on signal 11" in Path(folder.path, "azureml-logs/70_mpi_log.txt").read_bytes()
    assert folder.state.state == "failed"
    assert names(verdict) == [3]
    assert verdict.category is Category.CRASH


def test_the_tagged_console_of_open_mpi_5(site: Site, tmp_path: Path) -> None:
    launcher = launchers.OpenMPI5()
    ran = site.run(launcher, "openmpi5", rankc(launcher, "abort"), "--output", "tag-detailed")
    folder, verdict = take(tmp_path, ran)
    assert nodes_of_ranks(folder) == ["node0", "node0", "node1", "node1"]
    for rank in range(4):
        assert output(folder, rank).startswith(f"start rank={rank} size=4 host=node{rank // 2}")
    assert (names(verdict), verdict.category) == ([3], Category.MPI_ABORT)


def test_the_files_of_open_mpi_5_of_which_the_head_has_copies(site: Site, tmp_path: Path) -> None:
    # No MPI program: of those PRRTE blames another rank as often as not.
    program = [*programs.script("pyfail.py"), "kill", "3"]
    ran = site.run(launchers.OpenMPI5(), "openmpi5-file", program, "--output", "file=/tmp/out/log5")
    fetched = [site.fetch(host, "out", ran) for host in (0, 1)]
    files = [path for folder in fetched for path in sorted(folder.glob("log5.*"))]
    folder, verdict = take(tmp_path, *files, ran / "console0.txt")
    assert [one.rank for one in processes(folder.state)] == [0, 1, 2, 3, None]
    assert nodes_of_ranks(folder)[2:] == ["node1", "node1"]
    assert output(folder, 3).splitlines()[-1] == "rank 3 LAST LINE before kill"
    assert (names(verdict), verdict.category) == ([3], Category.KILLED)


def test_the_files_of_mpich(site: Site, tmp_path: Path) -> None:
    # No MPI program: hydra may lose the last words of one that aborts.
    program = [*programs.script("pyfail.py"), "exc", "3"]
    patterns = ("-outfile-pattern", "out.%r.%h", "-errfile-pattern", "err.%r.%h")
    ran = site.run(launchers.MPICH5(), "mpich5", program, *patterns)
    folder, verdict = take(tmp_path, ran)
    assert nodes_of_ranks(folder) == ["node0", "node0", "node1", "node1"]
    assert output(folder, 3).splitlines()[-1] == "rank 3 LAST LINE before exc"
    assert (names(verdict), verdict.category) == ([3], Category.EXCEPTION)


def test_torchruns_folders_are_told_apart_by_what_it_said(site: Site, tmp_path: Path) -> None:
    launcher = launchers.Torchrun()
    trainer = [str(programs.SOURCES / "trainer.py"), "kill", "2"]
    ran = site.run(launcher, "torchrun", trainer, "--log-dir", "log", "--redirects", "3")
    folder, verdict = take(tmp_path, ran)
    assert nodes_of_ranks(folder) == ["node0", "node0", "node1", "node1"]
    assert "[rank 2] about to kill" in output(folder, 2)
    assert (names(verdict), verdict.category, verdict.culprits[0].node) == ([2], Category.KILLED, "node1")


def test_the_files_of_sruns_tasks(site: Site, tmp_path: Path) -> None:
    with Slurm(site.hosts) as slurm:
        ran = site.run(
            launchers.Srun(slurm),
            "slurm",
            [*programs.script("pyfail.py"), "segv", "2"],
            "--output=%j_%t_%N.out",
            "--error=%j_%t_%N.err",
            "--kill-on-bad-exit=1",
        )
    folder, verdict = take(tmp_path, ran)
    assert nodes_of_ranks(folder) == ["node0", "node0", "node1", "node1"]
    assert (names(verdict), verdict.category) == ([2], Category.CRASH)


def names(verdict: Verdict) -> list[int | None]:
    assert verdict.status is Status.FAILED
    return [one.rank for one in verdict.culprits]
