"""One JupyterLab and one Chromium for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.jupyter import Jupyter, Lab, why_no_notebooks
from tests.support.jupyter import lab as open_lab
from tests.system.conftest import require


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    require(why_no_notebooks())
    with Jupyter(tmp_path_factory.mktemp("jupyter")) as jupyter:
        yield jupyter


@pytest.fixture(scope="module")
def lab(jupyter: Jupyter) -> Iterator[Lab]:
    """It ends with the file: as long as it is there, no test of this process can have an event loop of its own."""
    with open_lab(jupyter) as lab:
        yield lab
