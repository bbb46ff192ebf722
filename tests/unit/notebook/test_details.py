"""RunDetails where there are widgets, and where there are none."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from ranklog import RunDetails
from ranklog.errors import UserError
from ranklog.notebook import details
from ranklog.notebook.live import Live
from ranklog.run import Run
from tests.support.pipeline import wait_until
from tests.unit.notebook.conftest import Told, line, metric, process


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[Live]:
    """IPython with a kernel; what is displayed."""
    shown: list[Live] = []
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object())))
    monkeypatch.setattr(Live, "display", lambda self: shown.append(self))
    return shown


def test_only_runs_are_taken() -> None:
    with pytest.raises(UserError, match="takes a Run, not a str"):
        RunDetails("r1")  # type: ignore[arg-type]


def test_at_a_terminal_it_is_text(run: Run, told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told.said = [line("hello")]
    RunDetails(run).show()
    assert capsys.readouterr().out.splitlines()[0].startswith("Run r1 of demo: Running for ")


@pytest.mark.parametrize("shell", [None, SimpleNamespace(kernel=None), SimpleNamespace()])
def test_ipython_without_a_kernel_is_a_terminal(
    run: Run, shell: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    RunDetails(run).show(None, {"debug": True, "display": "popup"})
    assert capsys.readouterr().out.startswith("Run r1")


def test_a_notebook_without_widgets_gets_text_and_is_told_how_to_have_more(
    run: Run, notebook: list[Live], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "ranklog.notebook.live")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    RunDetails(run).show()
    out = capsys.readouterr().out
    assert out.startswith("Run r1")
    assert out.splitlines()[-1] == details.INSTALL
    assert notebook == []


def test_who_brings_a_function_for_html_gets_html(run: Run, told: Told) -> None:
    pages: list[str] = []
    told.said = [line("<script>alert(1)</script>")]
    RunDetails(run).show(render_lib=pages.append)
    assert pages[0].startswith("<pre>Run r1")
    assert "&lt;script&gt;" in pages[0]
    assert "<script>" not in pages[0]


def test_the_widget_follows_the_run_to_its_end(run: Run, told: Told, notebook: list[Live]) -> None:
    view = RunDetails(run)
    view.show()
    (widget,) = notebook
    wait_until(lambda: widget.head.get("status") == "Running", "the first look")
    told.said, told.found, told.known = [line("hello")], [process(0)], [metric("loss")]
    told.facts["state"] = "completed"
    wait_until(lambda: widget.head["status"] == "Completed", "the end")
    wait_until(lambda: view._refresher is not None and not view._refresher.is_running, "no thread")
    assert widget.log["lines"] == [["0", "hello"]]
    assert "loss" in repr(widget), "who sees no widgets sees text"
    view.show()
    assert notebook == [widget, widget]


def test_what_is_chosen_in_the_browser_is_shown(run: Run, told: Told, notebook: list[Live]) -> None:
    told.facts["state"] = "completed"
    told.known, told.said = [metric("accuracy"), metric("loss")], [line("a", 0), line("b", 1)]
    view = RunDetails(run)
    view.show()
    (widget,) = notebook
    wait_until(lambda: widget.chart.get("key") == "accuracy", "the first look")
    widget.metric, widget.rank = "loss", "1"
    wait_until(lambda: widget.chart["key"] == "loss" and widget.log["lines"] == [["1", "b"]], "what was chosen")
    assert view.get_widget_data()["chart"]["key"] == "loss"


def test_a_view_that_is_on_no_page_any_more_follows_nothing(run: Run, notebook: list[Live]) -> None:
    view = RunDetails(run)
    view.show()
    (widget,) = notebook
    refresher = view._refresher
    assert refresher is not None
    widget.is_watched = False
    wait_until(lambda: not refresher.is_running, "its end")
    widget.is_watched = True
    assert refresher.is_running
    view.close()
    wait_until(lambda: not refresher.is_running, "its end")


def test_a_run_that_nobody_reports_of_is_given_up(
    run: Run, told: Told, notebook: list[Live], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(details, "SILENT_S", -1.0)
    told.facts["state"] = "lost"
    view = RunDetails(run)
    view.show()
    wait_until(lambda: view._refresher is not None and not view._refresher.is_running, "its end")
    assert notebook[0].head["status"] == "NotResponding"


def test_all_that_is_sent_is_json(run: Run, told: Told) -> None:
    told.found, told.known, told.said = [process(0)], [metric("loss", processes=9)], [line("\ud800")]
    data = RunDetails(run).get_widget_data()
    assert json.loads(json.dumps(data, allow_nan=False).encode()) == data


def test_the_page_sets_texts_and_no_markup() -> None:
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert word not in Live._esm.replace("nothing here or elsewhere sets innerHTML", "")
