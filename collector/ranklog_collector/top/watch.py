"""Reading the run beside the screen: one thread, which alone touches the run folder, and its owner, who stops it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TypeVar

from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.top.frame import Frame
from ranklog_collector.top.gather import Gatherer
from ranklog_collector.top.judging import Judging
from ranklog_collector.top.suspicion import suspicion, with_verdict

PERIOD_S = 1.0
STOP_S = 5.0
"""A thread that hangs in a dead file system is not waited for any longer: it ends with the process."""
Answer = TypeVar("Answer")


class Watcher:
    """Looks at a run again and again, from `start` to `stop`.

    Listeners are called in its thread.
    """

    def __init__(self, folder: RunFolder, period_s: float = PERIOD_S, judging: Judging | None = None) -> None:
        self._folder = folder
        self._gatherer = Gatherer(folder)
        self._judging = judging or Judging(folder.path)
        self._period_s = period_s
        self._wishes: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._is_stopping = False
        self._frame: Frame | None = None
        self._seen: frozenset[str] = frozenset()
        self._on_frame: Callable[[Frame], None] = lambda frame: None
        self._on_failure: Callable[[Exception], None] = lambda error: None
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def listen(self, on_frame: Callable[[Frame], None], on_failure: Callable[[Exception], None]) -> None:
        """Say who is told of frames, and of what ended the watching. To be called before it is started."""
        self._on_frame, self._on_failure = on_frame, on_failure

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; whoever started it has to say so."""
        self._is_stopping = True
        self._wishes.put(lambda: None)
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    def see(self, names: frozenset[str]) -> None:
        """Say which processes are on the screen: of these the last lines are read at once."""
        is_news = not names <= self._seen
        self._seen = names
        if is_news:
            self._wishes.put(self._look)

    def ask(self, question: Callable[[RunFolder], Answer], answer: Callable[[Answer], None]) -> None:
        """Have something read from the run folder; the answer is given in the watcher's thread."""
        self._wishes.put(lambda: answer(question(self._folder)))

    # ---- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:  # noqa: BLE001 - whoever looks at the screen must be told that it stands still
            self._on_failure(error)
        finally:
            self._judging.close()

    def _watch(self) -> None:
        next_s = time.monotonic()
        while not self._is_stopping:
            wait_s = next_s - time.monotonic()
            if wait_s <= 0:
                self._refresh()
                next_s = time.monotonic() + self._period_s
                continue
            try:
                self._wishes.get(timeout=wait_s)()
            except Empty:
                continue

    def _refresh(self) -> None:
        try:
            self._folder.refresh()
        except ReadingError as error:
            if self._frame is not None:
                self._tell(replace(self._frame, problem=f"the run cannot be read at present: {error}"))
            return
        self._look()

    def _look(self) -> None:
        frame = self._gatherer.look(self._seen)
        self._judging.follow(suspicion(frame), frame.has_ended)
        self._tell(with_verdict(frame, self._judging.verdict, self._judging.is_seeking))

    def _tell(self, frame: Frame) -> None:
        self._frame = frame
        self._on_frame(frame)
