"""What each process contributes: an event that may be the first, a complaint about others, or nothing. Pure.

What a process says decides between the first two, how it ended decides what else there is to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from signal import Signals

from ranklog_collector.core.verdict.evidence import Evidence, Member, Moment, Sign
from ranklog_collector.core.verdict.finding import Category, Quote
from ranklog_collector.core.verdict.signatures import Role

SIGKILL = 9
ORDERLY = frozenset((1, 2, 3, 15))
CRASHES = frozenset((4, 5, 6, 7, 8, 11, 31))
"""SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS."""
SIGABRT = 6
SHELL_SIGNALS = 128
"""A shell ends with this and the signal's number when a signal has ended its command."""
BURST_NS = 2_000_000_000
"""What a process says within so long of its last sign belongs together."""
RECENT_NS = 120_000_000_000
"""What it said longer before its end, and with more behind it, was dealt with."""
LAST_LINES = 3
"""A traceback with no more lines behind it is a process's last word, whatever ended it then."""
NEAR_BYTES = 1000
"""What is said so shortly before an exception is part of it."""
_RANK = re.compile(r"\[rank\d+\]: ?")
NO_COMMAND_CODES = (126, 127)


class Weight(IntEnum):
    """How much an event proves by itself; among those that are tied the lightest number counts."""

    JOB = 0
    """Of the job as a whole, said by who governs it."""
    OWN = 1
    """Nobody else can have done it: an exception, a crash, a node that is gone."""
    MUTE = 2
    """It ended badly and said nothing."""
    KILL = 3
    """Anybody may have done it."""
    ORDERLY = 4
    """Somebody wanted it to end."""
    GONE = 5
    """It has ended, and nobody knows how."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that went wrong with a process."""

    member: Member
    weight: Weight
    category: Category
    summary: str
    moment: Moment
    quotes: tuple[Quote, ...] = ()
    error: str = ""
    """What it has in common with events of the same kind: its error, without numbers."""
    complained: Moment | None = None
    """When it then said that it was failed by others: what it had said before may have been dealt with."""
    was_only_said: bool = False
    """Whether it is a line after which the process lived until somebody wanted it to end."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """A process ended because of others, or waits for them, and says so."""

    member: Member
    says: str
    is_timeout: bool
    moment: Moment
    peer: str = ""
    """Address or host name of the one it speaks of."""
    quotes: tuple[Quote, ...] = ()


def event_of(member: Member) -> Event | Complaint | None:
    """Tell what became of a process, if anything."""
    sign = decisive(member)
    if member.was_oom_killed and member.ended is not None:
        summary = "was killed because memory was exhausted"
        return Event(member, Weight.OWN, Category.OUT_OF_MEMORY, summary, member.ended, _confirming(member))
    if sign is not None and _counts(member, sign):
        return complaint_of(member, sign) if sign.role is Role.CONSEQUENCE else _told(member, sign)
    if member.ended is None or member.has_completed:
        return None
    return _mute(member, member.ended)


def complaint_of(member: Member, sign: Sign) -> Complaint:
    """Put down what it says about others."""
    return Complaint(member, sign.says, sign.is_timeout, sign.moment, sign.facts.get("peer", ""), (sign.quote,))


def decisive(member: Member) -> Sign | None:
    """The sign that tells why a process ended: of its last burst, the first that says what broke here, else there."""
    signs = [one for one in member.signs if one.role in (Role.ROOT, Role.CONSEQUENCE)]
    # What a process went on working after was dealt with, unless there is nothing else.
    signs = [one for one in signs if not one.has_gone_on or one.lines_after <= LAST_LINES] or signs
    if not signs:
        return None
    burst = [one for one in signs if one.moment.latest_ns >= signs[-1].moment.latest_ns - BURST_NS]
    consequences = [one for one in burst if one.role is Role.CONSEQUENCE]
    roots = [one for one in burst if one.role is Role.ROOT]
    if consequences and (not roots or consequences[0].quote.offset < roots[0].quote.offset):
        return consequences[0]
    # Of several tracebacks all but the last were handled, unless the last one is about others.
    tracebacks = [one for one in roots if one.is_traceback]
    if consequences or not tracebacks:
        return roots[0]
    return _reason_before(tracebacks[-1], roots) or tracebacks[-1]


def _reason_before(traceback: Sign, roots: Sequence[Sign]) -> Sign | None:
    """A line close before a traceback that tells why, if that does not: a library's last words before it raises."""
    if traceback.category is not Category.EXCEPTION:
        return None
    near = [
        one
        for one in roots
        if not one.is_traceback
        and one.category not in (Category.EXCEPTION, Category.MPI_ABORT)
        and 0 < traceback.quote.offset - one.quote.offset < NEAR_BYTES
    ]
    return near[-1] if near else None


def crash_signal(member: Member) -> int | None:
    """The signal by which it crashed, also if a shell in between told of it."""
    if member.signal in CRASHES:
        return member.signal
    code = member.exit_code
    return code - SHELL_SIGNALS if member.signal is None and code and code - SHELL_SIGNALS in CRASHES else None


def signal_name(number: int) -> str:
    """SIGSEGV of 11."""
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def was_asked(member: Member) -> bool:
    """Whether somebody had wanted it to end before it did; a shell in between tells of it by its code."""
    if member.was_struck:
        return False
    of_shell = (member.exit_code or 0) - SHELL_SIGNALS
    return member.asked_signal is not None or member.signal in ORDERLY or of_shell in ORDERLY


def _counts(member: Member, sign: Sign) -> bool:
    """Whether a sign tells of the end; what was said long before may have been dealt with."""
    if member.exit_code == 0 and not member.signal:
        return False
    if member.ended is not None and sign.lines_after > LAST_LINES and _was_dealt_with(sign, member.ended):
        return False
    if sign.signature == "command-missing" and member.exit_code not in NO_COMMAND_CODES:
        return False
    if member.signal is not None and sign.is_traceback and not _names_an_exception(sign):
        return False  # it was ended in the middle of saying whose fault it is
    if member.ended is None or member.signal in ORDERLY or member.signal == SIGKILL:
        return (sign.lines_after <= LAST_LINES and not sign.has_gone_on) or sign.is_timeout
    crashed = crash_signal(member)
    if crashed is not None and crashed != SIGABRT:
        return sign.role is Role.CONSEQUENCE and sign.lines_after <= LAST_LINES
    return True


def _was_dealt_with(sign: Sign, ended: Moment) -> bool:
    return sign.has_gone_on or sign.moment.latest_ns + RECENT_NS < ended.earliest_ns


def _names_an_exception(sign: Sign) -> bool:
    last = _RANK.sub("", sign.quote.text.rstrip("\n").rpartition("\n")[2])
    return not last[:1].isspace() and not last.startswith("Traceback ")


def _told(member: Member, sign: Sign) -> Event:
    asked = member.asked
    if asked is not None and asked.is_before(sign.moment):
        # It was told to end, and said this in ending.
        return Event(member, Weight.ORDERLY, Category.KILLED, _by_signal(member), asked, (sign.quote,))
    moment, complained = _own_moment(member, sign), _complained_after(member, sign)
    was_only_said = not sign.is_traceback and asked is not None and crash_signal(member) is None
    quotes = (sign.quote,)
    return Event(member, Weight.OWN, sign.category, sign.says, moment, quotes, sign.says, complained, was_only_said)


def _complained_after(member: Member, sign: Sign) -> Moment | None:
    return next(
        (
            one.moment
            for one in member.signs
            if one.role is Role.CONSEQUENCE and not one.has_gone_on and one.quote.offset > sign.quote.offset
        ),
        None,
    )


def _own_moment(member: Member, sign: Sign) -> Moment:
    """An exit is known more exactly than when a line came, if it was first."""
    ended = member.ended
    return ended if ended is not None and ended.latest_ns < sign.moment.latest_ns else sign.moment


def _mute(member: Member, ended: Moment) -> Event:
    """It ended, and no sign tells why."""
    quotes = _confirming(member)
    if (crashed := crash_signal(member)) is not None and not _is_late(member):
        summary = f"crashed by {signal_name(crashed)}"
        return Event(member, Weight.OWN, Category.CRASH, summary, ended, quotes, summary)
    if was_asked(member):
        return Event(member, Weight.ORDERLY, Category.KILLED, _by_signal(member), member.asked or ended, quotes)
    if member.signal is not None:
        weight = Weight.KILL if member.signal == SIGKILL or member.signal in ORDERLY else Weight.OWN
        name = signal_name(member.signal)
        return Event(member, weight, Category.KILLED, f"was killed by {name}", ended, quotes, name)
    if member.exit_code is None:
        return Event(member, Weight.GONE, Category.KILLED, "was gone, nobody knows how", ended, quotes, "gone")
    category = Category.IMPORT if member.exit_code in NO_COMMAND_CODES else Category.EXIT_CODE
    summary = f"exited with code {member.exit_code}"
    return Event(member, Weight.MUTE, category, summary, ended, quotes, summary)


def _is_late(member: Member) -> bool:
    """Whether it crashed in ending, after somebody had wanted that."""
    return member.asked is not None and member.ended is not None and member.asked.is_before(member.ended)


def _by_signal(member: Member) -> str:
    number = member.asked_signal if member.asked_signal is not None else member.signal
    return "was asked to end" if number is None else f"was ended by {signal_name(number)}"


def _confirming(member: Member) -> tuple[Quote, ...]:
    return tuple(one.quote for one in member.signs if one.role is Role.CONFIRMATION)[-1:]


@dataclass(frozen=True, slots=True)
class Case:
    """One life of a job, sorted."""

    evidence: Evidence
    members: tuple[Member, ...]
    """Of this life."""
    events: tuple[Event, ...]
    complaints: tuple[Complaint, ...]
    launcher_signs: tuple[Sign, ...]
    """What only launchers, schedulers and the kernel say; else a launcher's output is a copy of the ranks'."""

    @property
    def is_uncaptured(self) -> bool:
        """Whether the members are launchers: of their ranks nothing was recorded."""
        return bool(self.members) and all(one.is_launcher for one in self.members)

    @property
    def completed(self) -> tuple[Member, ...]:
        """Those that ended with 0."""
        return tuple(one for one in self.members if one.has_completed)

    @property
    def ended_well(self) -> bool:
        """Whether all that have started ended with 0."""
        started = [one for one in self.members if one.state != "NotStarted"]
        return bool(started) and len(self.completed) == len(started)

    @property
    def running(self) -> tuple[Member, ...]:
        """Those that have not ended, as far as is known."""
        return tuple(one for one in self.members if one.state in ("Running", "Lost"))


def sort_out(evidence: Evidence, members: tuple[Member, ...], launcher_signs: tuple[Sign, ...]) -> Case:
    """Tell events from complaints."""
    found = [event_of(one) for one in members]
    return Case(
        evidence,
        members,
        tuple(one for one in found if isinstance(one, Event)),
        tuple(one for one in found if isinstance(one, Complaint)),
        launcher_signs,
    )
