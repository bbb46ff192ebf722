"""Experiments: names, tags, archive, and the runs that are theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ranklog import Experiment, Workspace
from ranklog.errors import UserError
from ranklog.source.protocol import Json


class Runs:
    """A source with a few runs."""

    def __init__(self, *runs: Json) -> None:
        self.url = "http://head:8080"
        self._runs = {run["run_id"]: run for run in runs}

    def runs(self, experiment: str | None = None) -> list[Json]:
        return [run for run in self._runs.values() if experiment in (None, run["experiment"])]

    def run(self, run_id: str) -> Json:
        return self._runs[run_id]


def run(run_id: str, experiment: str, **more: Any) -> Json:
    return {"run_id": run_id, "experiment": experiment, "state": "completed", **more}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(root=str(tmp_path))
    workspace.source = Runs(  # type: ignore[assignment]
        run("b", "one", tags={"stage": "final"}, properties={"p": "1"}),
        run("a", "one", tags={"stage": "draft", "flag": ""}, state="failed"),
        run("c", "two"),
    )
    return workspace


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../up", "with space", "x" * 129])
def test_a_name_that_is_no_folder_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(UserError, match="experiment's name"):
        Experiment(workspace, name)


def test_runs_come_newest_first_and_are_chosen_by_tags_and_properties(workspace: Workspace) -> None:
    experiment = Experiment(workspace, "one")
    assert [one.id for one in experiment.get_runs()] == ["b", "a"]
    assert [one.id for one in experiment.get_runs(tags={"stage": "draft"})] == ["a"]
    assert [one.id for one in experiment.get_runs(tags="flag")] == ["a"]
    assert [one.id for one in experiment.get_runs(properties={"p": "1"})] == ["b"]
    assert [one.get_status() for one in experiment.get_runs()] == ["Completed", "Failed"]


def test_a_workspace_lists_the_experiments_that_have_runs(workspace: Workspace) -> None:
    assert list(workspace.experiments) == ["one", "two"]
    assert [one.name for one in Experiment.list(workspace, "two")] == ["two"]
    assert workspace.get_run("c").experiment.name == "two"


def test_tags_are_kept_and_taken_away(workspace: Workspace) -> None:
    experiment = Experiment(workspace, "one")
    experiment.set_tags({"team": "vision", "n": 1})  # type: ignore[dict-item]
    experiment.tag("checked")
    experiment.remove_tags(["n"])
    again = Experiment(workspace, "one")
    assert again.tags == {"team": "vision", "checked": ""}
    assert [one.name for one in Experiment.list(workspace, tags={"team": "vision"})] == ["one"]
    assert [one.name for one in Experiment.list(workspace, tags="checked")] == ["one"]


def test_an_archived_experiment_is_left_out_of_lists(workspace: Workspace) -> None:
    experiment = Experiment(workspace, "one")
    experiment.archive()
    assert experiment.archived_time is not None
    assert list(workspace.experiments) == ["two"]
    assert [one.name for one in Experiment.list(workspace, view_type="ArchivedOnly")] == ["one"]
    assert [one.name for one in Experiment.list(workspace, view_type="All")] == ["one", "two"]
    experiment.reactivate()
    assert list(workspace.experiments) == ["one", "two"]
    with pytest.raises(UserError, match="renamed"):
        experiment.reactivate("other")


def test_a_damaged_record_counts_as_none(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "experiment.json").write_text('{"tags": 7')
    assert Experiment(workspace, "one").tags == {}


def test_an_experiment_is_deleted_with_its_runs_unless_one_goes_on(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "one" / "a").mkdir(parents=True)
    Experiment.delete(workspace, "one")
    assert not (tmp_path / "one").exists()
    workspace.source = Runs(run("d", "three", state="running"))  # type: ignore[assignment]
    with pytest.raises(UserError, match="run d is still going on"):
        Experiment.delete(workspace, "three")
