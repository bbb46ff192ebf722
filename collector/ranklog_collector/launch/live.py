"""The job's output on the screen while it runs: the run folder as `ranklog logs -f` reads it, and how the job is doing.

All of it happens in a thread of its own. A terminal that is slow, or stopped, holds up nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from ranklog_collector.launch.progress import Progress, left_early, progress_line
from ranklog_collector.launch.screen import Screen
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.labels import Labels
from ranklog_collector.reading.lines import Block
from ranklog_collector.reading.logs import BUFFER_MAX, LogReader
from ranklog_collector.reading.processes import ProcessView, processes
from ranklog_collector.reading.rows import Rows
from ranklog_collector.reading.select import Selection
from ranklog_collector.reading.text import shown

POLL_S = 0.1
BEHIND_S = 1.0
"""A terminal that is so far behind is shown only the latest lines."""
LATEST_LINES = 20
PORTION_BYTES = 1 << 16
"""How much of a stream is taken at once for a terminal, which may be slow."""
STATES_S = 0.25
"""How often processes are looked at, unless there are so many that it takes long."""
REST_FACTOR = 20


@dataclass(frozen=True)
class Look:
    """How the output is shown."""

    streams: tuple[str, ...]
    """Roles of the streams."""
    is_terminal: bool
    """Whether stdout is a terminal on which we may put lines of our own, move the cursor, and leave things out."""
    is_quiet: bool = False
    """Whether only our own words are shown."""
    is_folded: bool = True
    is_raw: bool = False
    is_labelled: bool = True
    """Whether every line says who says it, even if there is only one who could."""
    has_colour: bool = False


class LiveView:
    """Shows a run folder until `finish`, which does not wait."""

    def __init__(self, path: str, look: Look) -> None:
        self._path = path
        self._look = look
        self._screen = Screen(look.is_terminal)
        self._began_s = time.monotonic()
        self._notes: SimpleQueue[str] = SimpleQueue()
        self._finishing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live view", daemon=True)
        self._lines = 0
        self._is_behind = False
        self._views: list[ProcessView] = []
        self._look_again_s = 0.0
        self._told: set[str] = set()
        self.phase = ""
        """What is going on once the job is over."""
        self._thread.start()

    def note(self, text: str) -> None:
        """Show a line of our own; never waits."""
        self._notes.put(text)

    def finish(self, then: Callable[[], None]) -> None:
        """Show what is left, and end with a call of `then`; to be called when the run folder is complete."""
        self._then = then
        self._finishing.set()

    # ---- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            if not self._look.is_quiet:
                self._show()
                self._screen.flush()
        except BrokenPipeError:
            # Whoever read has seen enough. The job goes on: what it writes is none of their business.
            pass
        except Exception as error:  # noqa: BLE001 - nothing that goes wrong in showing may hold up the end of the run
            self.note(f"the output cannot be shown: {error}")
        self._say_on()
        self._then()

    def _say_on(self) -> None:
        """Nothing is shown any more, but what we say ourselves."""
        is_last = False
        while not is_last:
            is_last = self._finishing.wait(POLL_S)
            with suppress(OSError):
                self._screen.bottom("")
                self._show_notes()
                self._screen.flush()

    def _show(self) -> None:
        folder = RunFolder(self._path)
        selection = Selection(streams=self._look.streams)
        is_terminal = self._look.is_terminal
        buffer_max = PORTION_BYTES if is_terminal else BUFFER_MAX
        reader = LogReader(folder, selection, holds_bars=is_terminal, buffer_max=buffer_max)
        for data in self._output(folder, reader):
            self._screen.write(data)

    def _output(self, folder: RunFolder, reader: LogReader) -> Iterator[bytes]:
        look = self._look
        rows = Rows(reader, look.is_folded, look.has_colour, look.is_raw)
        batches = self._batches(folder, reader)
        if look.is_raw:
            yield from rows.raw(batches)
            return
        labels = Labels(reader, look.has_colour, look.is_labelled, is_aligned=True)
        for row in rows.of(batches):
            yield b"%b%b\n" % (labels.of(row.streams), row.text)

    def _batches(self, folder: RunFolder, reader: LogReader) -> Iterator[Iterator[Block]]:
        """Yield what has come, again and again; what a terminal is too slow for is left out."""
        is_final = False
        while not is_final:
            is_final = self._finishing.is_set()
            folder.refresh()
            yield self._counted(reader.read(is_final))
            if self._is_behind:
                self._leave_out(reader)
                yield reader.read(is_final)
            self._look_at_processes(folder)
            self._show_notes()
            self._screen.flush()
            if not is_final:
                self._screen.bottom(self._bottom(reader))
                self._finishing.wait(POLL_S)

    def _counted(self, blocks: Iterator[Block]) -> Iterator[Block]:
        began_s = time.monotonic()
        for block in blocks:
            self._lines += block.piece.data.count(b"\n")
            yield block
            if self._look.is_terminal and time.monotonic() - began_s > BEHIND_S:
                self._is_behind = True
                return

    def _leave_out(self, reader: LogReader) -> None:
        self._is_behind = False
        skipped = reader.skip(LATEST_LINES)
        if skipped:
            self._lines += skipped
            self._screen.note(f"{skipped:,} lines are not shown, to keep up; the run folder has them all")

    def _look_at_processes(self, folder: RunFolder) -> None:
        now_s = time.monotonic()
        if now_s < self._look_again_s:
            return
        self._views = processes(folder.state)
        for name, words in left_early(self._views, time.time_ns()).items():
            if name not in self._told:
                self._told.add(name)
                self.note(words)
        self._look_again_s = now_s + max(STATES_S, REST_FACTOR * (time.monotonic() - now_s))

    # ---- the bottom line --------------------------------------------------------------------------------------------

    def _show_notes(self) -> None:
        with suppress(Empty):
            while True:
                self._screen.note(self._notes.get_nowait())

    def _bottom(self, reader: LogReader) -> str:
        if not self._look.is_terminal:
            return ""
        now_s = time.monotonic()
        progress = Progress(
            self._views, self._lines, time.time_ns(), now_s - self._began_s, self.phase, self._bar(reader)
        )
        return progress_line(progress, self._screen.width)

    def _bar(self, reader: LogReader) -> str:
        """The progress bar of the first rank that shows one."""
        for number, source in reader.sources.items():
            if number in reader.bars:
                return f"[{source.label}] {shown(reader.bars[number]).decode().strip()}"
        return ""
