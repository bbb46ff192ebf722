"""A real JupyterLab, and notebooks in a real Chromium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from playwright.sync_api import Dialog, Locator, Page, sync_playwright

from tests.support.pipeline import wait_until

PATIENCE_S = 90.0
MILLISECONDS = 1000 * PATIENCE_S
CHROMIUM = shutil.which("chromium")
JUPYTER = Path(__file__).parents[2] / ".venv-launchers/jupyter/bin/python"
IS_READY = """path => {
    const panel = window.jupyterapp.shell.currentWidget;
    return panel?.context?.path === path && panel.sessionContext?.session?.kernel?.status === "idle";
}"""
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def why_no_notebooks() -> str | None:
    """What is lacking on this machine."""
    if CHROMIUM is None or not JUPYTER.exists():
        return "JupyterLab or Chromium is missing: run script/install-test-programs"
    return None


class Jupyter:
    """`jupyter lab` that keeps all of its files in a folder. A context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "notebooks"
        self.folder.mkdir()
        self._log = folder / "jupyter.log"
        self._runtime = folder / "runtime"
        places = {"JUPYTER_RUNTIME_DIR": self._runtime, "JUPYTER_CONFIG_DIR": folder / "config"}
        places |= {"JUPYTER_DATA_DIR": folder / "data", "IPYTHONDIR": folder / "ipython"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RANKLOG_", "PYTHON"))}
        self._environment = {**kept, **{name: str(place) for name, place in places.items()}}
        self._environment |= {"RANKLOG_ROOT": str(folder / "runs"), "RANKLOG_SPOOL": str(folder / "spool")}
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Jupyter:
        options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--LabApp.expose_app_in_browser=True"]
        options += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(JUPYTER), "-m", "jupyterlab", *options],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._is_ready, "JupyterLab", PATIENCE_S)
        except AssertionError as error:
            self._process.kill()
            raise AssertionError(f"{error}; it said:\n{self._log.read_text(errors='replace')}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(30)  # it ends its kernels first
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Make a notebook; returns its path."""
        code = [
            {
                "cell_type": "code",
                "id": f"c{number}",
                "source": cell,
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
            for number, cell in enumerate(cells)
        ]
        content = {"cells": code, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
        (self.folder / name).write_text(json.dumps(content))
        return name

    def _is_ready(self) -> bool:
        for file in self._runtime.glob("jpserver-*.json"):
            facts = json.loads(file.read_text() or "{}")
            self.url = f"{facts['url']}?token={facts['token']}" if facts else ""
        return bool(self.url)


class Lab:
    """JupyterLab on a page of a browser. It takes long to load, so it is loaded once."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[str] = []
        """What the page complained of, and the dialogs that it opened."""
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self._dismiss)

    def command(self, name: str, **arguments: object) -> None:
        """Have JupyterLab do what one of its menus does."""
        self.page.evaluate("([name, words]) => { window.jupyterapp.commands.execute(name, words); }", [name, arguments])

    @contextmanager
    def opened(self, path: str) -> Iterator[Notebook]:
        """Open a notebook, and wait until its kernel is there. The page may not complain or open a dialog."""
        self.command("docmanager:open", path=path)
        self.page.wait_for_function(IS_READY, arg=path)
        yield Notebook(self)
        assert self.said == [], self.said
        # Its kernel is not needed any more.
        self.command("kernelmenu:shutdown")

    def _dismiss(self, dialog: Dialog) -> None:
        self.said.append(dialog.message)
        dialog.dismiss()


@dataclass(frozen=True)
class Notebook:
    """The notebook that is in front."""

    lab: Lab

    @property
    def view(self) -> Locator:
        """The view of a run below a cell."""
        return self.lab.page.locator(f"{PANEL} .ranklog")

    def run_all(self) -> None:
        """Execute all cells, one after the other."""
        self.lab.command("notebook:run-all-cells")

    def output(self, cell: int) -> Locator:
        """What stands below a cell."""
        return self.lab.page.locator(f"{PANEL} .jp-CodeCell").nth(cell).locator(".jp-Cell-outputWrapper")


@contextmanager
def lab(jupyter: Jupyter) -> Iterator[Lab]:
    """Open JupyterLab in a browser without windows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.set_default_timeout(MILLISECONDS)
        page.goto(jupyter.url)
        page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget")
        yield Lab(page)
        browser.close()
