"""What verify says of points, and rebuild makes of them."""

from __future__ import annotations

from click.testing import CliRunner

from ranklog_collector.cli.read import rebuild, verify
from ranklog_collector.core.backlog import LAST_BYTES
from ranklog_collector.series.damage import point_notes
from ranklog_collector.series.read import catalog
from ranklog_collector.series.rebuild import made_again
from ranklog_collector.series.segments import FOLDER
from tests.unit.series.conftest import Job


def test_damaged_and_lost_lines_are_notes_and_no_failure(job: Job) -> None:
    key = job.rank(0)
    job.log(key, k="x", v=1)
    job.raw(key, b'{"t":1,"k":\n')
    job.log(key, lost=2)
    first, second = point_notes(job.open())
    assert "2 lines of points could not be written" in first
    assert "1 line damaged" in second
    result = CliRunner().invoke(verify, [str(job.writer.folder)])
    assert result.exit_code == 0
    assert "damaged" in result.stdout


def test_a_parameter_that_nodes_disagree_on_is_a_note(job: Job) -> None:
    job.log(job.rank(0), t=2, param={"lr": "0.1", "n": "4"})
    job.log(job.rank(1), t=3, param={"lr": "0.2", "n": "4"})
    job.log(job.rank(1), t=4, r="r1.00000000", param={"lr": "0.3"})
    (note,) = point_notes(job.open())
    assert note.startswith("parameter 'lr' is '0.1': '0.2', logged later by ")
    assert note.endswith("does not count")
    result = CliRunner().invoke(verify, [str(job.writer.folder)])
    assert result.exit_code == 0
    assert "'0.2'" in result.stdout


def test_rebuild_makes_segments_of_what_is_worth_it(job: Job) -> None:
    key = job.rank(0)
    job.log(key, k="x", vs=[0.5] * LAST_BYTES)
    assert made_again(job.open()) == {FOLDER: True}
    assert made_again(job.open()) == {FOLDER: False}
    assert f"{FOLDER}: right already" in CliRunner().invoke(rebuild, [str(job.writer.folder)]).stdout
    assert catalog(job.open())[0].count == LAST_BYTES


def test_rebuild_of_few_points_leaves_no_trace(job: Job) -> None:
    job.log(job.rank(0), k="x", v=1)
    assert made_again(job.open()) == {}
