"""`ranklog top` as people use it: keys are pressed, and what is on the screen is read."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual.app import App
from textual.geometry import Region
from textual.pilot import Pilot

from ranklog_collector.core.verdict.finding import Category, Confidence, Culprit, Quote, Status, Verdict
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.store.local import LOCK
from ranklog_collector.top.app import TopApp, has_light_ground
from ranklog_collector.top.arrange import Choice
from ranklog_collector.top.canvas import Canvas
from ranklog_collector.top.judging import Judging
from ranklog_collector.top.spans import line
from ranklog_collector.top.watch import Watcher
from tests.support.run_writer import START, RunWriter, job

PATIENCE_S = 60.0
PERIOD_S = 0.05
VERDICT = Verdict(
    Status.FAILED,
    "rank 1 (n0 10.0.0.1, pid 101) raised RuntimeError: boom",
    Category.EXCEPTION,
    Confidence.CERTAIN,
    (
        Culprit(
            "rank_1",
            Category.EXCEPTION,
            "raised RuntimeError: boom",
            1,
            quotes=(Quote("RuntimeError: [bold]boom", "azureml-logs/70_driver_log_1.txt", 0, None),),
        ),
    ),
)


@dataclass
class Seeker:
    """Finds a verdict at once."""

    verdict: Verdict | None

    def __call__(self, path: str, run: str) -> Seeker:
        return self

    def result(self) -> tuple[Verdict | None]:
        return (self.verdict,)

    def close(self) -> None:
        pass


@dataclass
class Top:
    """`ranklog top` on a run folder."""

    app: TopApp
    pilot: Pilot[int] = field(init=False)

    @property
    def screen(self) -> list[str]:
        """What is to be read."""
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def shows(self, *texts: str) -> list[str]:
        """Wait until all of it is to be read."""
        return await self.until(lambda shown: all(any(text in one for one in shown) for text in texts), texts)

    async def hides(self, text: str) -> list[str]:
        """Wait until it is not to be read any more."""
        return await self.until(lambda shown: not any(text in one for one in shown), text)

    async def until(self, is_so: Callable[[list[str]], bool], what: object) -> list[str]:
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_so(self.screen):
            if time.monotonic() > deadline_s:
                pytest.fail(f"no {what!r} in\n" + "\n".join(self.screen))
            if self.app._exception is not None:
                raise self.app._exception
            await asyncio.sleep(0.02)
        return self.screen


def top(
    folder: Path,
    scenario: Callable[[Top], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
    choice: Choice | None = None,
    verdict: Verdict | None = None,
) -> TopApp:
    """Act a scenario out."""
    watcher = Watcher(RunFolder(str(folder), latest_marks=True), PERIOD_S, Judging(str(folder), seek=Seeker(verdict)))

    async def act() -> TopApp:
        one = Top(TopApp(watcher, choice or Choice(), is_map=False, environment={}))
        async with one.app.run_test(size=size) as one.pilot:
            await scenario(one)
        return one.app

    app = asyncio.run(act())
    assert not watcher._thread.is_alive()
    return app


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    """Four ranks, the second of which has failed."""
    writer, streams = job(tmp_path / "r", 4)
    for rank, stream in enumerate(streams):
        writer.write(stream, b"".join(b"rank %d step %d\n" % (rank, step) for step in range(200)), at=5)
    writer.exit(1, code=1)
    writer.end("failed")
    return writer


class Live:
    """A run that a collector holds, written with the present time."""

    def __init__(self, folder: Path, ranks: int) -> None:
        self.writer, self.streams = job(folder, ranks)
        self.lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        for rank in range(ranks):
            self.say(rank, b"step 1\n")

    def say(self, rank: int, data: bytes, ago: float = 0) -> None:
        self.writer.write(self.streams[rank], data, at=self.now - ago)

    @property
    def now(self) -> float:
        return (time.time_ns() - START) / 1e9

    def close(self) -> None:
        with suppress(OSError):
            os.close(self.lock)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    one = Live(tmp_path / "r", 4)
    yield one
    one.close()


def test_the_run_is_shown_and_left(run: RunWriter) -> None:
    async def scenario(one: Top) -> None:
        shown = await one.shows("rank 3 step 199", "✗ 1 FAILED", "    1  ✗ FAILED")
        assert shown[0].startswith("default/r1 ")
        assert shown[0].endswith("✗ failed after 20s")
        await one.press("q")

    assert top(run.folder, scenario).return_code == 0


def test_the_cursor_moves_by_arrows_and_vi_keys_and_stays_within(run: RunWriter) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("rank 0  ")
        await one.press("j", "down")
        await one.shows("rank 2  ")
        await one.press("k", "up", "up")
        await one.shows("rank 0  ")
        await one.press("G", "down")
        await one.shows("rank 3  ")
        await one.press("pageup")
        await one.shows("rank 0  ")

    top(run.folder, scenario)


def test_rows_are_ordered_filtered_and_turned_round(run: RunWriter) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("rank 3 step 199")
        await one.press("S")
        await one.until(lambda shown: "▾STATE" in shown[2] and "✗ FAILED" in shown[3], "what failed first")
        await one.press("r")
        await one.until(lambda shown: "▴STATE" in shown[2] and "✗ FAILED" in shown[6], "what failed last")
        await one.press("slash", *"0-1")
        await one.shows("2 of 4: 0-1")
        await one.press("enter")
        await one.shows("enter log")
        await one.press("escape")
        await one.hides("2 of 4")
        await one.press("x")
        await one.shows("1 of 4: only what stands out")
        await one.press("escape", "n")
        await one.shows("rank 1  ")
        await one.press("slash", *"nowhere", "enter")
        await one.shows("nothing matches")

    top(run.folder, scenario)


def test_a_log_is_opened_at_its_end_scrolled_and_searched(run: RunWriter) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("rank 3 step 199")
        await one.press("j", "enter")
        await one.shows("rank 1 step 199", "70_driver_log_1.txt", "✗ FAILED 1")
        await one.until(lambda shown: "rank 1 step 179" in shown[2], "a full page")
        await one.press("k")
        await one.shows("rank 1 step 178", "99%")
        await one.press("g")
        await one.shows("rank 1 step 0 ")
        await one.press("slash", *"STEP 77", "enter")
        await one.shows("nowhere in this file")
        await one.press("slash", *"step 77", "enter")
        await one.until(lambda shown: "rank 1 step 70 " in shown[2] and "rank 1 step 77 " in shown[9], "the line found")
        await one.press("right_square_bracket")
        await one.shows("rank 2 step 199")
        await one.press("right")
        await one.hides("step 199")
        await one.shows("tep 199")
        await one.press("escape")
        await one.shows("1 FAILED")

    top(run.folder, scenario)


def test_n_and_capital_n_go_to_the_next_line_found_and_back(run: RunWriter) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("rank 3 step 199")
        await one.press("enter", "g")
        await one.shows("rank 0 step 0 ")
        await one.press("slash", *"5 ", "backspace", "enter")
        await one.shows("rank 0 step 5 ")
        await one.press("n")
        await one.shows("rank 0 step 15 ", "rank 0 step 8 ")
        await one.press("n", "n")
        await one.shows("rank 0 step 28 ")
        await one.press("N")
        await one.shows("rank 0 step 18 ")

    top(run.folder, scenario)


def test_the_verdict_is_a_banner_and_a_key_shows_it_whole(run: RunWriter) -> None:
    async def scenario(one: Top) -> None:
        await one.shows(" ✗ WHY (certain): rank 1 (n0 10.0.0.1, pid 101) raised", "v: whole verdict", "▸1")
        await one.press("v")
        await one.shows("RuntimeError: [bold]boom", "exception")
        await one.press("escape")
        await one.shows("v: whole verdict")

    top(run.folder, scenario, verdict=VERDICT)


def test_help_and_the_run_are_told(run: RunWriter) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("rank 3 step 199")
        await one.press("question_mark")
        await one.shows("a map with a cell for each process")
        await one.press("end")
        await one.shows("its step is behind")
        await one.press("escape", "i")
        await one.shows("the run", str(run.folder)[:30], "4 processes  ranks 0-3")
        await one.press("q")
        await one.shows("1 FAILED")

    top(run.folder, scenario)


@pytest.mark.parametrize("size", [(20, 6), (40, 10), (80, 24), (200, 50)])
def test_it_fits_any_size_and_follows_when_that_changes(run: RunWriter, size: tuple[int, int]) -> None:
    async def scenario(one: Top) -> None:
        await one.pilot.resize_terminal(*size)
        await one.until(lambda shown: len(shown) == size[1] and len(shown[0]) == size[0], size)
        for keys in ("m", "m", "v", "escape", "i", "escape", "question_mark", "escape", "enter", "slash", "escape"):
            await one.press(keys)
        await one.pilot.resize_terminal(80, 24)
        await one.shows("rank 0 step 199")

    top(run.folder, scenario)


def test_a_thousand_ranks_on_64_nodes_are_a_map(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r", world_size=1024)
    for node in range(64):
        writer.node(f"n{node}", f"10.0.0.{node + 1}")
    for rank in range(1024):
        writer.rank(rank, f"n{rank // 16}")
    writer.write(writer.output(500), b"step 7\nboom\n")
    writer.exit(500, code=1)
    writer.end("failed")

    async def scenario(one: Top) -> None:
        await one.shows("1,024 processes on 64 nodes", "1 FAILED")
        await one.press("m")
        await one.shows(" 0 TTTTTTTTTTTTTTTT  1 TT", "63 TTTTTTTTTTTTTTTT")
        await one.press("n")
        await one.shows("31 TTTTFTTTTTTTTTTT", "rank 500  ✗ FAILED  exit 1  n31", "boom")
        await one.press("right")
        await one.shows("rank 501  ▼ term")
        await one.press("G")
        await one.shows("rank 1023  ")
        await one.press("m")
        await one.shows("▾RANK")

    top(writer.folder, scenario)


def test_a_click_moves_the_cursor_and_a_second_opens_the_log(run: RunWriter) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("rank 3 step 199")
        await one.until(lambda _: one.app.screen.query_one("#grid").region.y == 3, "the table in its place")
        await one.pilot.click("#grid", offset=(5, 2))
        await one.shows("rank 2  ")
        await one.pilot.click("#grid", offset=(5, 2), times=2)
        await one.shows("70_driver_log_2.txt")

    top(run.folder, scenario)


def test_what_a_job_says_moves_nothing_and_is_no_markup(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r")
    writer.node("n0")
    writer.rank(0, hostname="[red]h\x1b[2Jst", program="x")
    hostile = b"[bold]x[/bold] [/] [@click=app.quit]q[/] \x1b[2J\x1b]0;owned\x07 \xe2\x80\xae\tz\xff"
    writer.write(writer.output(0), hostile)
    writer.end()

    async def scenario(one: Top) -> None:
        await one.shows("[bold]x[/bold] [/] [@click=app.quit]q[/]", "[red]h\\x1b[2J")
        for keys in ("i", "escape", "m", "enter"):
            await one.press(keys)
            assert not any(char in text for text in one.screen for char in "\x1b\x07\u202e\t")
        await one.shows("[bold]x[/bold] [/] [@click=app.quit]q[/]", "\\u202e")

    top(writer.folder, scenario)


def test_an_empty_run_says_so(tmp_path: Path) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("no process has been seen yet")
        for key in ("m", "enter", "n", "j", "v", "escape", "i", "escape"):
            await one.press(key)
        await one.shows("no process has been seen yet")

    top(RunWriter(tmp_path / "r").folder, scenario)


def test_a_run_that_goes_on_is_followed_to_its_end(live: Live) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("● running for", "● 4 run")
        live.say(2, b"step 17 of many\n")
        await one.shows("step 17 of many")
        await one.press("j", "j", "enter")
        await one.shows("step 17 of many", "following")
        live.say(2, b"the next line\n")
        await one.shows("the next line")
        await one.press("escape")
        for rank in range(4):
            live.writer.exit(rank, at=live.now, code=int(rank == 1))
        live.writer.end("failed", at=live.now)
        live.close()
        await one.shows("✗ failed after", "✗ 1 FAILED", "✗ WHY")

    top(live.writer.folder, scenario, verdict=VERDICT)


def test_one_that_falls_silent_stands_out_until_it_speaks_again(live: Live) -> None:
    for rank in range(4):
        live.say(rank, b"step 2\n", ago=30 if rank == 1 else 0)

    async def scenario(one: Top) -> None:
        await one.shows("◌ SILENT", "◌ 1 silent")
        live.say(1, b"step 3\n")
        await one.hides("SILENT")

    top(live.writer.folder, scenario)


def test_the_picture_can_be_held(live: Live) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("● 4 run")
        await one.press("p")
        await one.shows("paused")
        live.say(0, b"something new\n")
        await one.until(lambda _: one.app.frame is not None and "new" in str(one.app.frame.rows[0].line), "news")
        assert not any("something new" in text for text in one.screen)
        await one.press("p")
        await one.shows("something new")

    top(live.writer.folder, scenario)


def test_a_run_that_is_taken_away_is_told_and_what_was_known_stays(run: RunWriter) -> None:
    async def scenario(one: Top) -> None:
        await one.shows("rank 3 step 199")
        run.folder.rename(run.folder.with_name("moved"))
        await one.shows("! the run cannot be read at present", "rank 3 step 199")
        run.folder.with_name("moved").rename(run.folder)
        await one.hides("cannot be read")

    top(run.folder, scenario)


def test_a_fault_in_watching_ends_it_and_is_kept(run: RunWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: RunFolder) -> bool:
        raise RuntimeError("a fault")

    async def scenario(one: Top) -> None:
        await one.shows("rank 3 step 199")
        monkeypatch.setattr(RunFolder, "refresh", fail)
        await one.until(lambda _: one.app.failure is not None, "failure")

    assert str(top(run.folder, scenario).failure) == "a fault"


class Drawn(Canvas):
    """Remembers which regions were to be drawn again."""

    def __init__(self) -> None:
        super().__init__()
        self.regions: list[Region] = []

    def refresh(self, *regions: Region, **options: bool) -> Drawn:
        self.regions += regions
        return super().refresh(*regions, **options)


def test_only_cells_that_have_changed_are_drawn_again() -> None:
    async def act() -> None:
        app: App[None] = App()
        async with app.run_test(size=(20, 4)) as pilot:
            canvas = Drawn()
            await app.mount(canvas)
            canvas.draw([line("same ", "old", " same"), line("second")])
            await pilot.pause()
            canvas.regions.clear()
            canvas.draw([line("same ", "new", " same"), line("second")])
            assert canvas.regions == [Region(5, 0, 3, 1)]
            canvas.regions.clear()
            canvas.draw([line("same ", "new", " same"), line("second")])
            assert canvas.regions == []
            canvas.draw([line("same ", "longer", " same")])
            assert canvas.regions == [Region(5, 0, 15, 1), Region(0, 1, 20, 1)]

    asyncio.run(act())


@pytest.mark.parametrize(("said", "is_light"), [("15;0", False), ("0;15", True), ("0;default;7", True), ("", False)])
def test_a_light_terminal_gets_dark_letters(said: str, is_light: bool) -> None:
    assert has_light_ground({"COLORFGBG": said}) is is_light
