"""A process that a launcher names by pid and host, and that no record has: its host is all there is to say. Pure."""

from __future__ import annotations

from ranklog_collector.core.verdict.consequences import consequences
from ranklog_collector.core.verdict.events import SHELL_SIGNALS, Case, signal_name
from ranklog_collector.core.verdict.evidence import Sign
from ranklog_collector.core.verdict.finding import Category, Confidence, Culprit, Status, Verdict
from ranklog_collector.core.verdict.launchers import machine_of, member_of
from ranklog_collector.core.verdict.remarks import remarks
from ranklog_collector.core.verdict.standstill import suspects
from ranklog_collector.core.verdict.words import several

_CODE = "hydra-exit-code"
_KILLS, _CRASHES = (9, 15), (4, 6, 7, 8, 11)


def nameless_end(case: Case) -> Verdict | None:
    """Name the host, and no rank; the launcher may have named one that it has killed itself."""
    for place, sign in enumerate(case.launcher_signs):
        if sign.facts.get("pid", "0") != "0" and sign.facts.get("host") and member_of(sign, case) is None:
            following = case.launcher_signs[place + 1 : place + 2]
            codes = [one for one in following if one.signature == _CODE]
            return _of_host(case, sign, int(codes[0].facts["code"]) if codes else None)
    return None


def _of_host(case: Case, sign: Sign, code: int | None) -> Verdict:
    host, (category, what) = sign.facts["host"], _ending(code)
    machine = machine_of(sign, case)
    culprit = Culprit(
        machine.id if machine else host,
        category,
        f"held a process that {what} (pid {sign.facts['pid']}, rank unknown)",
        node=machine.id if machine else host,
        ip=machine.ip if machine else "",
        hostname=machine.hostname if machine else host,
        quotes=(sign.quote,),
    )
    line = f"a process on {host} {what} (pid {sign.facts['pid']}, rank unknown), says the launcher"
    behind = suspects(case, case.members)
    hints = [f"{several(behind.members)} {behind.why}"] if behind is not None else []
    hints.append("the launcher names the first of its list that ended badly, which it may have ended itself")
    found = (*hints, *remarks(case))
    named = consequences(case, (), None)
    return Verdict(Status.FAILED, line, category, Confidence.POSSIBLE, (culprit,), False, named, remarks=found)


def _ending(code: int | None) -> tuple[Category, str]:
    """What a code of hydra's means: it prints the numbers of signals as exit codes."""
    if code is None:
        return Category.UNKNOWN, "ended badly"
    number = code - SHELL_SIGNALS if code > SHELL_SIGNALS else code
    if number in _KILLS:
        return Category.KILLED, f"was killed by signal {number}"
    if number in _CRASHES:
        return Category.CRASH, f"crashed by {signal_name(number)}"
    return Category.EXIT_CODE, f"exited with code {code}"
