"""The SDK's own log: logger `ranklog` as always, and beside it a file in the spool, `logs/<key>/110_azureml.log`."""

from __future__ import annotations

import logging
import os

NAME = "110_azureml.log"
FORM = "%(asctime)s|%(name)s|%(levelname)s|%(message)s"
LOGGER = logging.getLogger("ranklog")
WARNINGS_MAX = 1000
"""What goes wrong in a training loop goes wrong again and again."""
_said: set[str] = set()


class OwnLog(logging.FileHandler):
    """Writes azureml's form of lines. Other handlers see what they would see without this one."""

    def __init__(self, folder: str) -> None:
        super().__init__(os.path.join(folder, NAME), mode="a", encoding="utf-8", errors="backslashreplace", delay=True)
        self._folder = folder
        self.setFormatter(logging.Formatter(FORM))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record here, and where it would go if we were not there."""
        try:
            if self.stream is None:
                os.makedirs(self._folder, mode=0o700, exist_ok=True)
            super().emit(record)
        except OSError:
            self.handleError(record)
        if LOGGER.isEnabledFor(record.levelno) and _is_alone(self):
            last = logging.lastResort
            if last is not None and record.levelno >= last.level:
                last.handle(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Do without: a full disk must not fill the terminal."""


def note(text: str, *values: object) -> None:
    """Tell what the SDK did. It gets into our own log even if nobody else wants to know."""
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info(text, *values)
        return
    record = LOGGER.makeRecord(LOGGER.name, logging.INFO, __file__, 0, text, values, None)
    for handler in LOGGER.handlers:
        if isinstance(handler, OwnLog):
            handler.handle(record)


def warn(text: str) -> None:
    """Say what is wrong, once."""
    if text not in _said and len(_said) < WARNINGS_MAX:
        _said.add(text)
        LOGGER.warning("%s", text)


def _is_alone(handler: logging.Handler) -> bool:
    """Whether there is no other handler for our records; logging then falls back on stderr."""
    return LOGGER.handlers == [handler] and not (LOGGER.propagate and logging.getLogger().handlers)
