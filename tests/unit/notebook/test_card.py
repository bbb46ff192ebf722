"""A run as a notebook shows it in a row."""

from __future__ import annotations

from ranklog.errors import UnreachableError
from ranklog.run import Run
from tests.unit.notebook.conftest import Told


def test_a_run_is_a_row_with_its_page(run: Run) -> None:
    page = run._repr_html_()
    assert "<th>Experiment</th><th>Id</th><th>Type</th><th>Status</th><th>Details</th>" in page
    assert "<td>demo</td><td>r1</td><td>azureml.scriptrun</td><td>Running</td>" in page
    assert '<a href="http://head:8080/#/runs/r1"' in page


def test_nothing_of_a_run_is_markup(run: Run, told: Told) -> None:
    told.facts["experiment"] = "<script>alert(1)</script>"
    told.url = 'file:///tmp/"><b>'  # type: ignore[misc,unused-ignore]
    told.facts["path"] = "/tmp/<b>"
    page = run._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
    assert "<a " not in page


def test_a_run_that_cannot_be_read_is_shown_nevertheless(run: Run, told: Told) -> None:
    told.facts = UnreachableError("no collector answers")
    assert "<td>r1</td>" in run._repr_html_()
