"""Class Run works from the spool alone."""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ranklog import layout
from ranklog.errors import RunEnvironmentError, RunFileError, UserError
from ranklog.run import Run, joining, own_log
from ranklog.run.artifact import Artifact
from ranklog.run.place import Place
from tests.support.executing import environment

PNG = b"\x89PNG\r\n\x1a\n and more"
RESIDUALS = {"schema_type": "residuals", "schema_version": "1.0.0", "data": {"bin_edges": [1, 2], "bin_counts": [3]}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that is this process's own."""
    return Run(None, "r1", place=Place("r1", str(tmp_path / "spool"), "p-1-2", is_owned=False))


@pytest.fixture
def owned(tmp_path: Path) -> Run:
    """A run that a launcher owns."""
    return Run(None, "r1", place=Place("r1", str(tmp_path / "spool"), "3-1-2", is_owned=True, rank=3))


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(own_log, "_said", set())
    monkeypatch.setattr(joining, "_here", [])
    (tmp_path / "spool").mkdir()


class Plot:
    def savefig(self, stream: io.BytesIO, format: str) -> None:  # noqa: A002 (matplotlib's name)
        stream.write(PNG)


# ---- values ----------------------------------------------------------------------------------------------------------


def test_what_is_logged_is_read_back(run: Run) -> None:
    for value in (1, 2, 3):
        run.log("number", value)
    run.log("loss", 0.5, "what it is", 7)
    run.log("none", None)
    run.log_list("list", [1, 2.5])
    run.log_list("range", range(3))
    run.log_list("generator", (value for value in "ab"))
    run.log_row("row", x=1, y=2)
    run.log_row("row", x=3, t=4)
    run.log_table("table", {"x": [1, 2], "y": ["a", "b"]})
    run.log_table("one", {"x": 1, "y": 2})
    assert run.get_metrics() == {
        "number": [1, 2, 3],
        "loss": 0.5,
        "none": None,
        "list": [1.0, 2.5],
        "range": [0, 1, 2],
        "generator": ["a", "b"],
        "row": {"x": [1, 3], "y": [2, None], "t": [None, 4]},
        "table": {"x": [1, 2], "y": ["a", "b"]},
        "one": {"x": 1, "y": 2},
    }
    assert run.get_metrics("loss") == {"loss": 0.5}
    assert run.get_metrics("other") == {}


def test_arrays_can_be_logged(run: Run) -> None:
    numpy = pytest.importorskip("numpy")
    run.log("int", numpy.int64(3))
    run.log("array", numpy.array(0.5))
    run.log_list("list", numpy.array([1.0, 2.0]))
    run.log_list("zero", numpy.array(5))
    run.log_table("table", {"x": numpy.arange(2), "y": [numpy.float32(0.5), None]})
    run.log_row("row", x=numpy.bool_(True))
    assert run.get_metrics() == {
        "int": 3,
        "array": 0.5,
        "list": [1.0, 2.0],
        "zero": 5,
        "table": {"x": [0, 1], "y": [0.5, None]},
        "row": {"x": True},
    }


def test_several_values_for_log_become_text_and_one_warning(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        run.log("a", [1])
    run.log("b", {"x": 1})
    assert run.get_metrics() == {"a": ["[1]"] * 3, "b": "{'x': 1}"}
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


def test_a_step_that_is_no_integer_is_left_out_with_a_warning(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.log("a", 1, step=5.5)  # type: ignore[arg-type]
    run.log("a", 2, step=6)
    assert [record["step"] for record in run._source.records("r1")] == [None, 6]
    assert "a step is an integer; '5.5' is left out" in caplog.text


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda run: run.log_list("a", [[1]]), "not a list"),
        (lambda run: run.log_list("a", 5), "not a int"),
        (lambda run: run.log_list("a", "text"), "not a str"),
        (lambda run: run.log_list("a", {"x": 1}), "not a dict"),
        (lambda run: run.log_row("a", x=[1]), "'a.x' takes numbers"),
        (lambda run: run.log_table("a", [1]), "takes a dict"),
        (lambda run: run.log_table("a", {"x": [1, 2], "y": [1]}), "equal length"),
        (lambda run: run.log_table("a", {"x": [[1]]}), "takes numbers"),
        (lambda run: run.log_image("a"), "either path or plot"),
        (lambda run: run.log_image("a", "x", Plot()), "either path or plot"),
        (lambda run: run.log_image("a", "/missing.png"), "No such file"),
        (lambda run: run.log_image("a", __file__), "is no image"),
        (lambda run: run.log_image("a", plot=object()), "matplotlib"),
        (lambda run: run.log_residuals("a", "{"), "no valid JSON"),
        (lambda run: run.log_residuals("a", "[]"), "takes a dict"),
        (lambda run: run.log_confusion_matrix("a", 5), "takes a dict"),
        (lambda run: run.upload_file("a", "/missing"), "no such file"),
        (lambda run: run.upload_folder("a", "/missing"), "no such folder"),
        (lambda run: run.upload_files(["a"], []), "1 names, 0 paths"),
        (lambda run: run.create_children(), "either count, or"),
        (lambda run: run.create_children(1, "a", ["b"]), "either count, or"),
        (lambda run: run.create_children(tag_key="a"), "either count, or"),
        (lambda run: run.create_children(101), "at most"),
    ],
)
def test_calls_that_make_no_sense_are_refused_with_the_reason(run: Run, call: Any, what: str) -> None:
    with pytest.raises(UserError, match=re.escape(what)):
        call(run)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "", ".", "a/../../b", "a\0b", ".ranklog/x", "a/.hidden", "x" * 300]
)
def test_no_file_gets_out_of_the_run(run: Run, name: str) -> None:
    with pytest.raises(UserError, match="cannot be a file's name"):
        run.upload_file(name, __file__)


def test_long_lists_and_tables_are_written_on_several_lines(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    text = "x" * (6 << 20)
    run.log_list("list", [text, text, text, 1])
    run.log_table("table", {"x": [text, text, text], "y": [1, 2, 3]})
    run.log_list("much", ["y" * (17 << 20)])
    assert run.get_metrics() == {"list": [text, text, text, 1], "table": {"x": [text] * 3, "y": [1, 2, 3]}}
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_metrics_of_several_ranks_are_merged_by_time(tmp_path: Path) -> None:
    ranks = []
    for rank in (0, 1):
        key = layout.process_key(rank, os.getpid(), rank)
        fields = {"version": 1, "key": key, "pid": os.getpid(), "start_ns": 1, "hostname": "here", "rank": rank}
        layout.prepare(str(tmp_path / "spool"), "procs")
        layout.write_record(layout.process_path(str(tmp_path / "spool"), key), fields)
        ranks.append(Run(None, "r1", place=Place("r1", str(tmp_path / "spool"), key, is_owned=True, rank=rank)))
    for value in range(4):
        ranks[value % 2].log("x", value)
    assert ranks[0].get_metrics() == ranks[1].get_metrics() == {"x": [0, 1, 2, 3]}
    assert ranks[0].get_metrics(rank=1) == {"x": [1, 3]}


# ---- images and documents --------------------------------------------------------------------------------------------


def test_images_and_documents_are_files_of_the_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "food").write_bytes(PNG)
    run.log_image("food/1", path=str(tmp_path / "food"))
    run.log_image("plot", plot=Plot())
    run.log_image("stream", path=io.BytesIO(PNG))
    run.log_residuals("rest", json.dumps(RESIDUALS))
    run.log_residuals("rest", RESIDUALS)
    metrics = run.get_metrics()
    start = "aml://artifactId/ExperimentRun/dcid.r1/outputs/"
    assert re.fullmatch(start + r"food-1_\d{10}\.png", metrics["food/1"])
    assert re.fullmatch(start + r"plot_\d{10}\.png", metrics["plot"])
    assert metrics["rest"] == [f"{start}rest.json", f"{start}rest_1.json"]
    images = run.get_metrics("stream", populate=True)["stream"]
    assert isinstance(images, Artifact)
    assert (images.data, images.origin, images.container) == (PNG, "ExperimentRun", "dcid.r1")
    assert [each.convert_to_object() for each in run.get_metrics("rest", populate=True)["rest"]] == [RESIDUALS] * 2
    assert set(run.get_file_names()) >= {"outputs/rest.json", "outputs/rest_1.json", images.path}


def test_ranks_do_not_take_each_others_file_names(owned: Run) -> None:
    owned.log_residuals("rest", RESIDUALS)
    assert owned.get_file_names() == ["outputs/rest_rank3.json"]


def test_a_document_of_another_schema_is_kept_with_a_warning(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.log_predictions("a", {"anything": 1})
    assert run.get_metrics("a", populate=True)["a"].convert_to_object() == {"anything": 1}
    assert "schema_type" in caplog.text


# ---- files -----------------------------------------------------------------------------------------------------------


def test_files_are_uploaded_listed_and_downloaded(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "inner" / "b.txt").write_text("b")
    (folder / ".hidden").write_text("c")
    run.upload_folder("models", str(folder))
    run.upload_file("outputs/text", io.StringIO("text"))
    run.upload_files(["x", "./y"], [str(folder / "a.txt"), str(folder / "inner" / "b.txt")])
    assert run.get_file_names() == ["models/a.txt", "models/inner/b.txt", "outputs/text", "x", "y"]
    monkeypatch.chdir(tmp_path)
    run.download_file("outputs/text")
    assert Path("text").read_text() == "text"
    run.download_file("x", str(folder))
    assert (folder / "x").read_text() == "a"
    run.download_files("models", "out", append_prefix=False)
    run.download_files("models", "whole")
    assert Path("out/inner/b.txt").read_text() == Path("whole/models/inner/b.txt").read_text() == "b"
    run.download_files("models/", "named", output_paths=["1", "2"])
    assert Path("named/1").read_text() == "a"
    with pytest.raises(RunFileError):
        run.download_file("missing")
    with pytest.raises(RunFileError):
        run.download_files("missing")


def test_a_file_that_is_uploaded_again_takes_the_place_of_the_first(run: Run) -> None:
    run.upload_file("x", io.BytesIO(b"one"))
    run.upload_file("x", io.BytesIO(b"two"))
    assert run.get_file_names() == ["x"]
    assert run._source.file("r1", "x", 1) == b"wo"


# ---- tags, names, life -----------------------------------------------------------------------------------------------


def test_tags_and_properties(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    run.tag("candidate")
    run.tag("by", "CI")
    run.set_tags({"by": "me", "n": 3})
    run.set_tags("single")
    run.remove_tags(["n"])
    assert run.get_tags() == run.tags == {"candidate": None, "by": "me", "single": None}
    run.add_properties({"build": 1})
    run.add_properties({"build": 2, "more": "x"})
    run.add_properties({})
    assert run.get_properties() == run.properties == {"build": "1", "more": "x"}
    assert "stay as they are: build" in caplog.text


def test_names(run: Run) -> None:
    assert (run.display_name, run.name, run.description, run.number) == ("r1", None, None, 1)
    run.display_name = "nice"
    run.description = "what it is"
    assert (run.display_name, run.name, run.description) == ("nice", "nice", "what it is")


def test_a_run_of_ones_own_ends_as_it_is_told(run: Run) -> None:
    run.start()
    assert run.get_status() == run.status == "Running"
    run.complete(_set_status=False)
    assert run.get_detailed_status() == {"status": "Running", "details": None}
    run.fail(ValueError("bad"), "Mine")
    details = run.get_details()
    assert (details["status"], details["error"]["error"]["message"]) == ("Failed", "Mine: ValueError: bad")
    assert {"runId", "startTimeUtc", "endTimeUtc", "properties", "logFiles"} < details.keys()
    run.cancel()
    assert run.status == "Canceled"


def test_a_block_ends_the_run(run: Run) -> None:
    with run:
        pass
    assert run.status == "Completed"
    with pytest.raises(KeyError), run:
        raise KeyError("x")
    assert (run.status, run.get_detailed_status()["details"]) == ("Failed", "KeyError: 'x'")
    with run:
        sys.exit(0)
    assert run.status == "Completed"
    with pytest.raises(SystemExit), run:
        sys.exit(2)
    assert run.status == "Failed"


def test_the_state_of_a_job_is_its_launchers(owned: Run, caplog: pytest.LogCaptureFixture) -> None:
    with owned:
        owned.fail("no")
    owned.cancel()
    assert owned.status == "Running"
    assert "belongs to the launcher" in caplog.text
    with owned.child_run() as child:
        assert child.status == "Running"
    assert child.status == "Completed"


def test_children_are_runs_of_their_own(run: Run) -> None:
    run.log("A", 1)
    child = run.child_run("first")
    child.log("A", 2)
    child.tag("x", "y")
    child.upload_file("outputs/a", io.BytesIO(b"a"))
    grandchild = child.child_run(run_id="mine")
    grandchild.log("B", 3)
    assert re.fullmatch(r"r1\.[0-9a-f]{8}", child.id)
    assert grandchild.id == child.child_run(run_id="mine").id == child.child_run(run_id=grandchild.id).id
    assert (child.name, grandchild.name) == ("first", "mine")
    assert (child.name, child.tags, child.get_file_names()) == ("first", {"x": "y"}, ["outputs/a"])
    assert run.get_file_names() == []
    assert run.get_metrics() == {"A": 1}
    assert run.get_metrics(recursive=True) == {"r1": {"A": 1}, child.id: {"A": 2}, grandchild.id: {"B": 3}}
    assert [each.id for each in run.get_children()] == [child.id]
    assert [each.id for each in run.get_children(recursive=True)] == [child.id, grandchild.id]
    assert [each.id for each in run.get_children(recursive=True, tags="x")] == [child.id]
    assert [each.id for each in run.get_children(recursive=True, tags={"x": "z"})] == []
    assert [each.id for each in run.get_children(status="Running")] == [child.id]
    assert run.parent is None
    assert child.parent is not None
    assert grandchild.parent is not None
    assert (child.parent.id, grandchild.parent.id) == ("r1", child.id)


def test_many_children_at_once(run: Run) -> None:
    children = run.create_children(tag_key="fold", tag_values=["a", "b"])
    assert [child.tags for child in children] == [{"fold": "a"}, {"fold": "b"}]
    assert [child.tags for child in run.create_children(2)] == [{"azureml.batch_child_number": str(n)} for n in (0, 1)]
    assert len(run.get_children()) == 4


def test_outputs_of_a_child_are_kept_when_it_ends(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/model").write_text("m")
    with run.child_run(outputs="mine") as child:
        pass
    assert child.get_file_names() == ["mine/model"]


def test_a_run_that_is_only_read_says_so() -> None:
    run = Run(None, "other", source=object())  # type: ignore[arg-type]
    with pytest.raises(UserError, match="can only be read here"):
        run.log("a", 1)
    with pytest.raises(UserError, match="can only be read here"):
        run.tag("a")


# ---- context ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A process that is in no job, and what it does to the logging of this one undone."""
    monkeypatch.setattr(os, "environ", environment(RANKLOG_SPOOL=str(tmp_path / "spool")))
    monkeypatch.setattr(atexit, "register", lambda *_: None)
    before = own_log.LOGGER.handlers[:]
    yield
    for handler in own_log.LOGGER.handlers[:]:
        if handler not in before:
            own_log.LOGGER.removeHandler(handler)
            handler.close()


@pytest.mark.usefixtures("alone")
def test_outside_a_job_there_is_a_run_that_works() -> None:
    with pytest.raises(RunEnvironmentError, match="ranklog run"):
        Run.get_context(allow_offline=False)
    run = Run.get_context()
    assert run.id.startswith("local-")
    run.log("a", 1)
    assert Run.get_context().get_metrics() == Run.get_submitted_run().get_metrics() == {"a": 1}
    assert run.status == "Running"
    assert run.get_portal_url().startswith("file:///")


@pytest.mark.usefixtures("alone")
def test_the_sdks_own_log_is_kept_beside_and_changes_nothing_for_others(tmp_path: Path) -> None:
    run = Run.get_context()
    run.upload_file("x", io.BytesIO(b"x"))
    details = run.get_details_with_logs()
    (text,) = details["logFiles"].values()
    lines = [line.split("|", 3) for line in text.splitlines()]
    assert [(name, level) for _, name, level, _ in lines] == [("ranklog", "INFO")] * 2
    assert lines[1][3] == "uploaded x"
    assert logging.getLogger("ranklog").level == logging.NOTSET
    (copy,) = run.get_all_logs(str(tmp_path / "copy"))
    assert Path(copy).read_text() == text


# ---- what an import does ---------------------------------------------------------------------------------------------


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code]
    return subprocess.run(words, env=environment(**env), capture_output=True, text=True, check=True, timeout=60)


def test_every_public_name_can_be_imported() -> None:
    import ranklog

    for name in ranklog.__all__:
        assert getattr(ranklog, name).__name__ == name
    assert set(ranklog.__all__) <= set(dir(ranklog))


def test_log_files_are_told_from_what_a_script_calls_logs(run: Run) -> None:
    for name in ("outputs/logs/a", "logs/b", "10.0.0.1/logs/c", "10.0.0.1/azureml-logs/70_driver_log_0.txt", "d"):
        run.upload_file(name, io.BytesIO(name.encode()))
    logs = run.get_details_with_logs()["logFiles"]
    assert logs == {name: name for name in ("10.0.0.1/azureml-logs/70_driver_log_0.txt", "10.0.0.1/logs/c", "logs/b")}
    assert run.child_run().get_details()["logFiles"] == {}


def test_import_imports_nothing_and_touches_no_logging() -> None:
    code = """
import sys
before = set(sys.modules)
import ranklog
assert set(sys.modules) - before == {"ranklog"}, set(sys.modules) - before
assert "Run" in dir(ranklog)
from ranklog import Run
import logging
assert logging.getLogger().handlers == logging.getLogger("ranklog").handlers == []
from ranklog import layout
assert layout.__name__ == "ranklog.layout"
try:
    ranklog.nothing
except AttributeError as error:
    assert "nothing" in str(error)
assert "importlib.metadata" in sys.modules
"""
    python(code)


def test_native_logging_does_what_it_always_does(tmp_path: Path) -> None:
    code = """
import logging
logging.basicConfig(level=logging.DEBUG)
from ranklog import Run
run = Run.get_context()
logging.debug("mine")
run.log("x", [1])
"""
    said = python(code, RANKLOG_SPOOL=str(tmp_path)).stderr
    assert "DEBUG:root:mine\n" in said
    assert "WARNING:ranklog:log('x', …) takes one value" in said
    assert "INFO:ranklog:logging to run" in said


def test_without_native_logging_only_warnings_are_seen_and_once(tmp_path: Path) -> None:
    code = """
import logging
from ranklog import Run
run = Run.get_context()
for _ in range(3):
    run.log("x", [1])
logging.info("mine")
logging.warning("mine too")
"""
    lines = python(code, RANKLOG_SPOOL=str(tmp_path)).stderr.splitlines()
    assert [line.partition("'")[0] for line in lines] == ["log(", "WARNING:root:mine too"]
