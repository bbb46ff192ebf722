"""The verdict whole."""

from __future__ import annotations

from collections.abc import Sequence

from ranklog_collector.top.frame import Frame
from ranklog_collector.top.screens.text import TextScreen
from ranklog_collector.top.spans import Line, line
from ranklog_collector.top.why import verdict_lines


class VerdictScreen(TextScreen):
    """What `ranklog why` says."""

    NAME = "why"

    def __init__(self, frame: Frame | None) -> None:
        super().__init__()
        self._frame = frame

    def show(self, frame: Frame) -> None:
        """Show what is new."""
        if self._frame is None or frame.verdict != self._frame.verdict or frame.is_judging != self._frame.is_judging:
            self._frame = frame
            self.redraw()

    def texts(self, width: int) -> Sequence[Line]:
        """The verdict, or why there is none."""
        frame = self._frame
        if frame is None or frame.verdict is None:
            is_sought = frame is not None and frame.is_judging
            return [
                line("the evidence is being read …" if is_sought else "nothing looks wrong: there is nothing to judge")
            ]
        return verdict_lines(frame.verdict, width)
