"""Which runs a workspace means: by its configuration file, its arguments, or the environment."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from ranklog import Workspace
from ranklog.errors import UserError


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RANKLOG_URL", "RANKLOG_ROOT", "RANKLOG_TOKEN", "RANKLOG_COLLECTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def configure(folder: Path, **fields: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.json"
    path.write_text(json.dumps(fields))
    return path


def test_a_configuration_is_found_in_a_folder_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path / ".ranklog", url="http://head:8080", workspace_name="ours")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.setenv("RANKLOG_SPOOL", str(tmp_path / "spool"))
    workspace = Workspace.from_config()
    assert workspace.name == "ours"
    assert workspace.get_mlflow_tracking_uri() == "http://head:8080"
    assert workspace.source.url == "http://head:8080"


def test_azures_file_is_taken_as_it_is(tmp_path: Path) -> None:
    configure(tmp_path / ".azureml", subscription_id="s", resource_group="g", workspace_name="w", Scope="/x", extra=[1])
    workspace = Workspace.from_config()
    assert (workspace.name, workspace.subscription_id, workspace.resource_group) == ("w", "s", "g")
    assert workspace.root == str(tmp_path / "ranklog-runs")


def test_paths_are_relative_to_the_folder_that_is_configured(tmp_path: Path) -> None:
    configure(tmp_path / ".ranklog", root="runs", token_file="secret")
    (tmp_path / "secret").write_text("s3cret\n")
    workspace = Workspace.from_config()
    assert workspace.root == str(tmp_path / "runs")
    assert workspace.token == "s3cret"


def test_somebody_elses_config_json_is_passed_by(tmp_path: Path) -> None:
    configure(tmp_path, model_type="bert", hidden_size=768)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "config.json").write_text("no JSON")
    assert Workspace.from_config().name == "local"


def test_without_a_file_the_environment_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKLOG_ROOT", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("RANKLOG_COLLECTOR", "head:7070")
    workspace = Workspace.from_config()
    assert workspace.root == str(tmp_path / "elsewhere")
    assert workspace.collector == "head:7070"


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no workspace configuration"):
        Workspace.from_config(path=str(tmp_path / "none"))


@pytest.mark.parametrize("text", ["", "[]", '{"url": 1}', '{"workspace_name": null}'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"config\.json"):
        Workspace.from_config(path=path)


def test_a_written_configuration_is_read_again(tmp_path: Path) -> None:
    Workspace("s", "g", "w", root="runs", collector="head:7070").write_config()
    read = Workspace.from_config()
    assert (read.name, read.root, read.collector) == ("w", str(tmp_path / "runs"), "head:7070")


def test_mlflow_logs_to_the_folder_of_runs_where_there_is_no_collector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKLOG_SPOOL", str(tmp_path / "spool"))
    root = str(tmp_path / "my runs")
    assert Workspace(root=root).get_mlflow_tracking_uri() == f"ranklog://{quote(root)}"


def test_mlflow_logs_to_the_job_inside_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKLOG_RUN_ID", "r1")
    assert Workspace(url="http://head:8080").get_mlflow_tracking_uri() == "ranklog://"


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="no address of a collector"):
        _ = Workspace(url="head:8080").source


def test_details_tell_what_is_known(tmp_path: Path) -> None:
    details = Workspace(None, None, "w", root=str(tmp_path)).get_details()
    assert details["name"] == "w"
    assert details["url"] == f"file://{tmp_path}"
