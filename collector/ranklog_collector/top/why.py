"""The verdict in lines. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from ranklog_collector.core.ranks import ranks_text
from ranklog_collector.core.verdict.finding import Consequence, Culprit, Quote, Status, Verdict
from ranklog_collector.reading.text import printable
from ranklog_collector.reading.times import clock_time, duration_text
from ranklog_collector.top.spans import Line, Span, harmless, line

WIDTH_MIN = 20
_LISTED_MAX = 40
_TONES = {Status.FAILED: "failed", Status.SUSPECT: "suspect", Status.FINE: "good"}


def verdict_lines(verdict: Verdict, width: int) -> list[Line]:
    """All that it says."""
    sure = f"   {verdict.confidence.value}" if verdict.confidence else ""
    kind = f"   {verdict.category.value}" if verdict.category else ""
    attempt = f"   attempt {verdict.attempt}" if verdict.attempt else ""
    head = [line(Span(verdict.status.value, _TONES.get(verdict.status, "warning")), Span(kind + sure + attempt, "dim"))]
    lines = [*head, *_wrapped(verdict.headline, width, "strong")]
    if verdict.is_tie:
        lines += _wrapped("Which of these was first, the clocks do not tell.", width, "warning")
    for quote in verdict.quotes:
        lines += _quote(quote, width)
    for culprit in verdict.culprits[:_LISTED_MAX]:
        lines += _culprit(culprit, width, len(verdict.culprits) > 1)
    if len(verdict.culprits) > _LISTED_MAX:
        lines.append(line(Span(f"and {len(verdict.culprits) - _LISTED_MAX} more", "dim")))
    if verdict.consequences:
        lines += [Line(), line(Span("Consequences", "title"))]
        for consequence in verdict.consequences:
            lines += _consequence(consequence, width)
    for title, texts in (("Before you trust this", verdict.remarks), ("Next", verdict.next_steps)):
        if texts:
            lines += [Line(), line(Span(title, "title"))]
            lines += [one for text in texts for one in _wrapped(text, width, "plain", "- ")]
    return lines


def _culprit(culprit: Culprit, width: int, is_one_of_several: bool) -> Iterator[Line]:
    where = " ".join(part for part in (culprit.hostname or culprit.node, culprit.ip) if part)
    name = f"rank {culprit.rank}" if culprit.rank is not None else culprit.name
    pid = f", pid {culprit.pid}" if culprit.pid is not None else ""
    when = "" if culprit.time_ns is None else f" at {clock_time(culprit.time_ns)}"
    error = f" ±{_short(culprit.error_ns)}" if culprit.error_ns and culprit.time_ns is not None else ""
    if is_one_of_several:
        yield Line()
        yield from _wrapped(f"{name} ({where}{pid}) {culprit.summary}{when}{error}", width, "culprit")
    for quote in culprit.quotes:
        yield from _quote(quote, width)
    if culprit.last_words:
        yield line(Span("  its last words", "dim"))
        for quote in culprit.last_words:
            yield from _quote(quote, width)


def _quote(quote: Quote, width: int) -> Iterator[Line]:
    yield line(Span(f"  {printable(quote.path)} at byte {quote.offset}", "dim"))
    for text in quote.text.splitlines():
        for part in textwrap.wrap(harmless(text), max(WIDTH_MIN, width - 4), drop_whitespace=False) or [""]:
            yield line(Span("  │ ", "dim"), part)


def _consequence(consequence: Consequence, width: int) -> Iterator[Line]:
    who = f"ranks {ranks_text(consequence.ranks)}" if consequence.ranks else ", ".join(consequence.names[:_LISTED_MAX])
    delays = _delays(consequence)
    yield from _wrapped(f"{who}: {consequence.what}{delays}", width, "plain", "- ")
    for quote in consequence.quotes:
        yield from _quote(quote, width)


def _delays(consequence: Consequence) -> str:
    least, most = consequence.delay_min_ns, consequence.delay_max_ns
    if least is None or most is None:
        return ""
    first, last = _short(least), _short(most)
    return f", {first} later" if first == last else f", {first} to {last} later"


def _short(duration_ns: int) -> str:
    """A time as people say it; it may be negative."""
    sign, size = ("-", -duration_ns) if duration_ns < 0 else ("", duration_ns)
    return sign + (f"{size / 1e6:.0f} ms" if size < 1e9 else duration_text(size))


def _wrapped(text: str, width: int, tone: str, bullet: str = "") -> Sequence[Line]:
    room = max(WIDTH_MIN, width - len(bullet))
    parts = textwrap.wrap(printable(text), room, break_on_hyphens=False) or [""]
    return [line(Span((bullet if not n else " " * len(bullet)) + part, tone)) for n, part in enumerate(parts)]
