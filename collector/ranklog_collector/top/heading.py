"""What stands above and below the processes: the run in a few lines, the verdict in a few words. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ranklog_collector.core.verdict.finding import Status, Verdict
from ranklog_collector.reading.processes import ProcessState
from ranklog_collector.reading.text import printable
from ranklog_collector.reading.times import bytes_text, duration_text
from ranklog_collector.top.arrange import Choice
from ranklog_collector.top.frame import Frame, Mark, Row
from ranklog_collector.top.spans import Line, Span, cut, line, spread
from ranklog_collector.top.words import AGES, LOOKS, MARKS, RUN_LOOKS, SHADES, age_text, amount_text, look_of

BANNER_LINES_MAX = 2
KEYS = (("enter", "log"), ("m", "map"), ("s", "sort"), ("/", "filter"), ("x", "outliers"), ("?", "help"), ("q", "quit"))
_GAP = "  "
_STATES = (
    ProcessState.RUNNING,
    ProcessState.FAILED,
    ProcessState.LOST,
    ProcessState.TERMINATED,
    ProcessState.COMPLETED,
    ProcessState.NOT_STARTED,
)


def heading(frame: Frame, width: int, hint: str = "press i") -> list[Line]:
    """The run, its processes, and what is wrong with what is known of it; `hint` says where there is more."""
    return [
        _run_line(frame, width),
        _count_line(frame, width),
        *([_alarm_line(frame, width, hint)] if frame.alarms or frame.problem else []),
    ]


def _run_line(frame: Frame, width: int) -> Line:
    name = [Span(printable(frame.experiment) + "/", "dim"), Span(printable(frame.run_id), "title")]
    state = RUN_LOOKS.get(frame.state, Span(frame.state))
    took = duration_text(frame.now_ns - frame.started_ns) if frame.started_ns else ""
    after = " after " if frame.has_ended else " for "
    starts = f", started {frame.starts} times" if frame.starts > 1 else ""
    return Line(spread(name, [state, Span(f"{after if took else ''}{took}{starts}")], width), ground="bar")


def _count_line(frame: Frame, width: int) -> Line:
    counts, marks = frame.counts, frame.marks
    total = counts.total()
    who = f"{total:,} process{'es' if total != 1 else ''} on {frame.nodes:,} node{'s' if frame.nodes != 1 else ''}"
    spans = [Span(who if total else "no process has been seen yet")]
    for state in _STATES:
        if counts[state]:
            spans += [
                Span(_GAP),
                Span(f"{LOOKS[state].symbol} {counts[state]:,} {LOOKS[state].word}", LOOKS[state].tone),
            ]
    for mark in (Mark.SILENT, Mark.BEHIND):
        if marks[mark]:
            spans += [Span(_GAP), Span(f"{MARKS[mark].symbol} {marks[mark]:,} {mark.value}", MARKS[mark].tone)]
    rate = "" if not frame.bytes_per_s else f" +{bytes_text(round(frame.bytes_per_s))}/s"
    return Line(spread(spans, [Span(bytes_text(frame.bytes) + rate, "dim")], width))


def _alarm_line(frame: Frame, width: int, hint: str) -> Line:
    texts = [*([frame.problem] if frame.problem else []), *frame.alarms]
    more = f"  +{len(texts) - 1} more: {hint}" if len(texts) > 1 else ""
    return Line(spread([Span(f"! {printable(texts[0])}", "warning")], [Span(more, "dim")] if more else [], width))


def banner(verdict: Verdict | None, width: int, hint: str = "v: whole verdict") -> list[Line]:
    """The verdict in a line or two, if there is something to say; `hint` says how to have all of it."""
    if verdict is None or verdict.status in (Status.FINE, Status.CANCELED):
        return []
    is_failure = verdict.status is Status.FAILED
    confidence = f" ({verdict.confidence.value})" if verdict.confidence else ""
    begin = {Status.FAILED: "✗ WHY", Status.SUSPECT: "◌ SUSPECT"}.get(verdict.status, "? WHY") + confidence + ": "
    end = "  " + hint.replace(" ", "\xa0")
    room = max(20, width - 2)
    texts = textwrap.wrap(begin + printable(verdict.headline) + end, room, break_on_hyphens=False)
    if len(texts) > BANNER_LINES_MAX:
        texts = textwrap.wrap(begin + printable(verdict.headline), room, break_on_hyphens=False)[:BANNER_LINES_MAX]
        texts[-1] = texts[-1][: room - len(end) - 1].rstrip() + "…" + end
    ground = "alarm" if is_failure else "found"
    return [Line(cut([Span(f" {text}".replace("\xa0", " "), ground)], width), ground=ground) for text in texts]


def restriction(choice: Choice, shown: int, total: int, width: int, hint: str = "esc: all of them") -> list[Line]:
    """What is left out, if anything is."""
    if not choice.is_restricted:
        return []
    words = [choice.filter.strip()] if choice.filter.strip() else []
    words += ["only what stands out"] if choice.only_standing_out else []
    text = f"{shown:,} of {total:,}: {printable(', '.join(words))}"
    return [Line(spread([Span(text, "key")], [Span(hint, "dim")], width))]


def detail(row: Row | None, now_ns: int, width: int) -> list[Line]:
    """All that is known of one process, in two lines."""
    if row is None:
        return [Line(), Line()]
    look = look_of(row)
    name = row.label if row.is_launcher or row.rank is None else f"rank {row.label}"
    spans = [Span(printable(name), "strong"), Span(_GAP), Span(f"{look.symbol} {look.word}", look.tone)]
    for text in _facts(row, now_ns):
        spans += [Span(_GAP), Span(text, "dim")]
    text = "…" if row.line is None else row.line
    return [Line(cut(spans, width)), Line(cut([Span(text)], width))]


def _facts(row: Row, now_ns: int) -> Sequence[str]:
    use = row.use
    facts = [
        f"exit {row.exit}" if row.exit not in ("", "0") else "",
        printable(row.hostname or row.node),
        row.ip,
        f"pid {row.pid}" if row.pid is not None else "",
        f"step {row.step.value}" if row.step else "",
        f"spoke {age_text(row, now_ns)}{'' if age_text(row, now_ns) == 'now' else ' ago'}"
        if row.last_output_ns
        else "",
        f"cpu {use.cpu:.0f}%" if use.cpu is not None else "",
        f"mem {amount_text(use.memory)}" if use.memory is not None else "",
        f"gpu {use.gpu:.0f}%" if use.gpu is not None else "",
        bytes_text(row.bytes) if row.bytes else "",
    ]
    return [fact for fact in facts if fact]


def legend(frame: Frame, first: int, height: int, total: int, width: int) -> Line:
    """What the cells of the map mean, as far as there are some, and which of its lines are shown."""
    counts, marks = frame.counts, frame.marks
    spans: list[Span] = []
    for degree, (shade, age) in enumerate(zip(SHADES, AGES, strict=True) if counts[ProcessState.RUNNING] else ()):
        spans += [Span(shade, f"heat{degree}"), Span(f"{age}{_GAP}", "head")]
    present = [MARKS[mark] for mark in MARKS if marks[mark]] + [LOOKS[state] for state in _STATES[1:] if counts[state]]
    for look in present:
        spans += [Span(look.letter, look.tone), Span(f" {look.word.lower()}{_GAP}", "head")]
    right = f"{first + 1}-{min(total, first + height)} of {total}" if total > height else ""
    return Line(spread(spans, [Span(right, "dim")] if right else [], width), ground="head")


def key_line(keys: Sequence[tuple[str, str]], width: int, right: str = "") -> Line:
    """What can be pressed; what has no room is left out, `?` tells all."""
    spans: list[Span] = []
    room = width - len(right) - 1
    for key, what in keys:
        if len(key) + len(what) + 1 + len(_GAP) > room:
            continue
        room -= len(key) + len(what) + 1 + len(_GAP)
        spans += [Span(key, "key"), Span(f" {what}{_GAP}", "dim")]
    return Line(spread(spans, [Span(right, "dim")] if right else [], width), ground="bar")


def plain(text: str) -> Line:
    """A line of text that is ours."""
    return line(text)
