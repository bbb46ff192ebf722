"""The ends of a run's files: what each process said last, how far it is, what it uses. Only what has grown is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ranklog.points.reading import lines as point_lines
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.state import Stream
from ranklog_collector.top.frame import NOTHING, Use
from ranklog_collector.top.spans import shown_lines
from ranklog_collector.top.steps import Step, printed_step

BYTES = 4096
BYTES_MAX = 1 << 16
"""If not one whole line is in fewer."""
MEGABYTE = 1e6
_LINE_CHARS_MAX = 1000
_CPU, _MEMORY = "process/cpu_utilization_percentage", "process/memory_rss_megabytes"
_GPU_MEMORY = "process/gpu_memory_megabytes"
_GPU, _PERCENT = "system/gpu_", "_utilization_percentage"


@dataclass(frozen=True, slots=True)
class Spoken:
    """The end of a process's output."""

    line: str
    """The last line that is not blank."""
    step: Step | None


@dataclass(slots=True)
class _Known:
    size: int
    rewrites: int
    data: bytes
    value: Any = None


@dataclass(slots=True)
class Tails:
    """Ends of files, kept as long as the files stay as they are."""

    folder: RunFolder
    _known: dict[int, _Known] = field(default_factory=dict)

    def forget(self) -> None:
        """Begin anew: the numbers of streams mean others now."""
        self._known.clear()

    def is_current(self, stream: Stream) -> bool:
        """Whether nothing has come since its end was read."""
        known = self._known.get(stream.number)
        return known is not None and (known.size, known.rewrites) == (stream.size, stream.rewrites)

    def spoken(self, stream: Stream, is_news_wanted: bool) -> Spoken | None:
        """What was said last; without wanting news, what is known of it."""
        known = self._take(stream, is_news_wanted)
        if known is None:
            return None
        if known.value is None:
            texts = [text for text in shown_lines(known.data) if text and not text.isspace()]
            known.value = Spoken(texts[-1].strip()[:_LINE_CHARS_MAX] if texts else "", printed_step(texts))
        found: Spoken = known.value
        return found

    def step(self, stream: Stream, is_news_wanted: bool) -> Step | None:
        """The last step with which a process logged something."""
        known = self._take(stream, is_news_wanted)
        if known is None:
            return None
        if known.value is None:
            steps = [step for line in point_lines(known.data) for step in _steps(line)]
            known.value = [Step(steps[-1], "points")] if steps else []
        return known.value[0] if known.value else None

    def use(self, stream: Stream) -> Use:
        """What a process used last."""
        values = self.observed(stream)
        memory, gpu_memory = values.get(_MEMORY), values.get(_GPU_MEMORY)
        if not values:
            return NOTHING
        return Use(
            values.get(_CPU),
            None if memory is None else memory * MEGABYTE,
            None,
            None if gpu_memory is None else gpu_memory * MEGABYTE,
        )

    def gpus(self, stream: Stream) -> dict[int, float]:
        """How busy the GPUs of a node were last, in percent, by their numbers."""
        found = {}
        for name, value in self.observed(stream).items():
            number = name.removeprefix(_GPU).removesuffix(_PERCENT)
            if name.startswith(_GPU) and name.endswith(_PERCENT) and number.isdecimal():
                found[int(number)] = value
        return found

    def observed(self, stream: Stream) -> dict[str, float]:
        """The latest value of each name in what an agent observed."""
        known = self._take(stream, is_news_wanted=True)
        if known is None:
            return {}
        if known.value is None:
            known.value = {
                name: float(value)
                for line in point_lines(known.data)
                if isinstance(line.get("m"), dict)
                for name, value in line["m"].items()
                if type(value) in (int, float)
            }
        found: dict[str, float] = known.value
        return found

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _take(self, stream: Stream, is_news_wanted: bool) -> _Known | None:
        known = self._known.get(stream.number)
        if not is_news_wanted or self.is_current(stream):
            return known
        data = self._read(stream)
        if data is None:
            return known
        if known is not None and known.data == data:
            known.size, known.rewrites = stream.size, stream.rewrites
            return known
        known = self._known[stream.number] = _Known(stream.size, stream.rewrites, data)
        return known

    def _read(self, stream: Stream) -> bytes | None:
        """The end of a file in whole lines, but for the last one, which may lack its end; None if it cannot be read."""
        try:
            with self.folder.opened(stream) as file:
                for wanted in (BYTES, BYTES_MAX):
                    begin = max(0, stream.size - wanted)
                    data = os.pread(file, stream.size - begin, begin)
                    whole = data if begin == 0 else data[data.find(b"\n") + 1 :]
                    if whole and (begin == 0 or len(whole) < len(data)):
                        return whole
                return data
        except OSError:
            return None


def _steps(line: dict[str, Any]) -> Iterator[int]:
    if "r" in line:
        return  # a child run counts for itself
    many = line.get("ss")
    for step in (*(many[-1:] if isinstance(many, list) else ()), line.get("s")):
        if type(step) is int:
            yield step
