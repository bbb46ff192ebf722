"""Hosts and launchers as fixtures. What a test needs and the machine lacks is a failure in CI and a skip elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.hosts import Hosts, why_no_hosts
from tests.support.launchers import MPICH5, Launcher, OpenMPI4, OpenMPI5, Srun, Torchrun, why_missing
from tests.support.slurm import Slurm

OVER_HOSTS = ("openmpi4", "openmpi5", "mpich5", "slurm", "torchrun")


def require(lack: str | None) -> None:
    """Go on if nothing is lacking."""
    if lack and os.environ.get("CI"):
        pytest.fail(lack)
    if lack:
        pytest.skip(lack)


@pytest.fixture
def hosts4(tmp_path: Path) -> Iterator[Hosts]:
    """Four hosts, each with its own /tmp in which only the test's folder is shared."""
    require(why_no_hosts())
    with Hosts(4, private_tmp=True, visible=[tmp_path]) as hosts:
        yield hosts


@pytest.fixture
def slurm4(hosts4: Hosts) -> Iterator[Slurm]:
    """Slurm on the four hosts."""
    require(why_missing(Srun()))
    with Slurm(hosts4) as slurm:
        yield slurm


@pytest.fixture(params=OVER_HOSTS)
def launcher(request: pytest.FixtureRequest) -> Launcher:
    """Each launcher in turn that starts ranks over the four hosts."""
    plain: dict[str, Launcher] = {each.name: each for each in (OpenMPI4(), OpenMPI5(), MPICH5(), Torchrun())}
    if request.param == "slurm":
        return Srun(request.getfixturevalue("slurm4"))
    require(why_missing(plain[request.param]))
    return plain[request.param]


@pytest.fixture
def cluster4(hosts4: Hosts, tmp_path: Path) -> Iterator[Cluster]:
    """A collector on the first of the four hosts."""
    with Cluster(hosts4, tmp_path) as cluster:
        yield cluster
