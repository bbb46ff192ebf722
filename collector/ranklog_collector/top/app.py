"""The terminal application: it draws frames and turns keys into wishes; it reads nothing itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.theme import Theme

from ranklog_collector.top.arrange import Choice
from ranklog_collector.top.frame import Frame
from ranklog_collector.top.screens.grid import GridScreen
from ranklog_collector.top.watch import Watcher

# Okabe and Ito's colours, which people who confuse red and green can tell apart, darker on white.
_DARK = Theme(
    name="ranklog-dark",
    primary="#56B4E9",
    foreground="#d8dee4",
    background="#101418",
    surface="#1a2026",
    panel="#222a32",
    warning="#E69F00",
    error="#ff6a3d",
    success="#2bbf96",
    accent="#56B4E9",
    dark=True,
    variables={
        "quiet": "#8b98a5",
        "ended": "#a8905c",
        "lost": "#e08fc0",
        "cursor": "#2d4a60",
        "alarm": "#7a2a10",
        "found": "#5c4400",
    },
)
_LIGHT = Theme(
    name="ranklog-light",
    primary="#005a94",
    foreground="#1c2227",
    background="#ffffff",
    surface="#eef1f4",
    panel="#e2e7ec",
    warning="#8a5a00",
    error="#b83a00",
    success="#00694d",
    accent="#005a94",
    dark=False,
    variables={
        "quiet": "#5b6670",
        "ended": "#806a3a",
        "lost": "#93407a",
        "cursor": "#bfdcf0",
        "alarm": "#ffd9cb",
        "found": "#ffe9b0",
    },
)
_LIGHT_GROUNDS = ("7", "15")
_ENDING = (signal.SIGTERM, signal.SIGHUP)


class TopApp(App[int]):
    """`ranklog top`. Its result is None, or what went wrong."""

    CSS_PATH = "top.tcss"
    TITLE = "ranklog top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("ctrl+q", "quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False),
        Binding("t", "turn_theme", show=False),
    ]

    class FrameCame(Message):
        """The watcher has looked at the run."""

        def __init__(self, frame: Frame) -> None:
            super().__init__()
            self.frame = frame

    class WatchingFailed(Message):
        """Nothing more will come."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    def __init__(
        self, watcher: Watcher, choice: Choice, is_map: bool, environment: Mapping[str, str] = os.environ
    ) -> None:
        super().__init__()
        self.frame: Frame | None = None
        self.watcher = watcher
        self.failure: Exception | None = None
        self._choice = choice
        self._is_map = is_map
        for theme in (_DARK, _LIGHT):
            self.register_theme(theme)
        self.theme = _LIGHT.name if has_light_ground(environment) else _DARK.name
        watcher.listen(
            lambda frame: self._post(self.FrameCame(frame)), lambda error: self._post(self.WatchingFailed(error))
        )

    def get_default_screen(self) -> GridScreen:
        """What is shown first."""
        return GridScreen(self.watcher, self._choice, self._is_map)

    def on_mount(self) -> None:
        """Begin to watch. Whoever ends us gets the terminal back as it was."""
        for number in _ENDING:
            asyncio.get_running_loop().add_signal_handler(number, partial(self.exit, return_code=128 + number))
        self.watcher.start()

    def on_unmount(self) -> None:
        """Leave no thread behind."""
        for number in _ENDING:
            asyncio.get_running_loop().remove_signal_handler(number)
        self.watcher.stop()

    def on_top_app_frame_came(self, message: FrameCame) -> None:
        """Show what is new, on whatever screen there is."""
        self.frame = message.frame
        for screen in self.screen_stack:
            show = getattr(screen, "show", None)
            if show is not None:
                show(message.frame)

    def on_top_app_watching_failed(self, message: WatchingFailed) -> None:
        """End, and let the command say why."""
        self.failure = message.error
        self.exit()

    def action_turn_theme(self) -> None:
        """Change between light and dark."""
        self.theme = _DARK.name if self.theme == _LIGHT.name else _LIGHT.name

    def _post(self, message: Message) -> None:
        """From the watcher's thread: what comes before the start or after the end is for nobody."""
        if self.is_running:
            self.post_message(message)


def has_light_ground(environment: Mapping[str, str]) -> bool:
    """Whether the terminal says that it is light: some put their colours into COLORFGBG."""
    return environment.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT_GROUNDS
