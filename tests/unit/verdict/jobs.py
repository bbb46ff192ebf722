"""Evidence of jobs that ended in many ways, written down shortly. Times are seconds after the job's start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from signal import Signals
from typing import Any

from ranklog_collector.core.verdict.evidence import Evidence, Machine, Member, Moment, Sign
from ranklog_collector.core.verdict.finding import Quote, Verdict
from ranklog_collector.core.verdict.judge import judge
from ranklog_collector.core.verdict.scan import plain, scan, shown
from ranklog_collector.core.verdict.signatures import Catalogue
from ranklog_collector.verdict.catalogue import packaged

START = 1_790_000_000_000_000_000
CLOCK_ERROR = 1_000_000
"""Of each node, ns."""
Said = tuple[float, str]

CLOSED = (
    "Traceback (most recent call last):\n"
    '  File "/app/train.py", line 47, in main\n'
    "    dist.all_reduce(ones)\n"
    "RuntimeError: [/pytorch/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [{peer}]:5513.\n"
)
TIMED_OUT = (
    "Traceback (most recent call last):\n"
    '  File "/app/train.py", line 47, in main\n'
    "    dist.all_reduce(ones)\n"
    "RuntimeError: [/pytorch/gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 10000ms for recv operation to "
    "complete\n"
)
RAISED = 'Traceback (most recent call last):\n  File "/app/train.py", line 9, in main\n    f()\n{error}\n'


def ns(seconds: float) -> int:
    return START + round(seconds * 1e9)


@lru_cache
def catalogue() -> Catalogue:
    return Catalogue(packaged())


def rank(number: int, *said: Said, node: int | None = None, **facts: Any) -> Member:
    """A rank; two to a node unless said otherwise."""
    at = number // 2 if node is None else node
    return process(f"rank_{number}", *said, rank=number, node=at, pid=facts.pop("pid", 1300 + number), **facts)


def process(
    name: str,
    *said: Said,
    node: int = 0,
    end: float | None = None,
    code: int | None = None,
    signal: int | None = None,
    asked: float | None = None,
    rhythm: float | None = None,
    **facts: Any,
) -> Member:
    """A process that said things at times, before that every `rhythm` seconds, and ended or not, if at all with 0."""
    signs, last = _heard(name, said, node)
    if end is not None and code is None and signal is None:
        code = 0
    spoke = [at for at, _ in said]
    if rhythm is not None and said:
        spoke = sorted([*spoke, *(spoke[0] - rhythm * count for count in range(1, 6))])
    state = "Running" if end is None else "Completed" if code == 0 else "Failed"
    exit_ = "" if end is None else str(code) if signal is None else Signals(signal).name
    return Member(
        name,
        node=f"node{node}",
        ip=f"10.77.0.{10 + node}",
        hostname=f"node{node}",
        state=facts.pop("state", state),
        exit=exit_,
        exit_code=code,
        signal=signal,
        started_ns=ns(facts.pop("start", 0)),
        ended_ns=None if end is None else ns(end),
        ended=None if end is None else _moment(end, node, 0.02),
        asked_signal=None if asked is None else 15,
        asked=None if asked is None else _moment(asked, node, 0.02),
        last_output_ns=ns(said[-1][0]) if said else None,
        spoke=tuple(map(ns, spoke)),
        signs=tuple(signs),
        last_words=last,
        **facts,
    )


def mpirun(*said: Said, **facts: Any) -> Member:
    return process("launcher_900", *said, role="launcher", pid=900, **facts)


def job(members: Iterable[Member], launcher: Member | None = None, **facts: Any) -> Evidence:
    """A run that has failed, unless said otherwise."""
    everyone = tuple(members)
    nodes = sorted({one.node for one in everyone})
    machines = tuple(Machine(name, f"10.77.0.{10 + int(name[4:])}", name, error_ns=CLOCK_ERROR) for name in nodes)
    known: dict[str, Any] = {
        "launchers": () if launcher is None else (launcher,),
        "machines": machines,
        "state": "failed",
        "now_ns": ns(1000),
        "world_size": len(everyone),
    }
    return Evidence("r1", everyone, **{**known, **facts})


def verdict(members: Iterable[Member], launcher: Member | None = None, **facts: Any) -> Verdict:
    return judge(job(members, launcher, **facts))


def named(found: Verdict) -> list[str]:
    return sorted(one.name for one in found.culprits)


def _heard(name: str, said: Sequence[Said], node: int) -> tuple[list[Sign], tuple[Quote, ...]]:
    data, ends = b"", []
    for at, text in said:
        data += text.encode() if text.endswith("\n") else text.encode() + b"\n"
        ends.append((len(data), at))
    path = f"{name}.txt"

    def time_of(place: int) -> float:
        return next(at for end, at in ends if place < end)

    signs = [
        Sign(
            found.match.signature.name,
            found.match.signature.role,
            found.match.signature.category,
            found.says,
            Quote(found.text, path, found.start, ns(time_of(found.start)), name, found.match.signature.name),
            _moment(time_of(found.start), node, 0.05),
            found.match.facts,
            found.match.signature.is_timeout,
            found.match.signature.is_launchers,
            found.is_traceback,
            found.lines_after,
            found.has_gone_on,
        )
        for found in scan(data, 0, catalogue())
    ]
    own = data[: signs[0].quote.offset] if signs and not signs[-1].lines_after else data
    lines = [line for line in own.split(b"\n") if line.strip()]
    if not lines:
        return signs, ()
    offset = data.rindex(lines[-1])
    return signs, (Quote(shown(plain(lines[-1])), path, offset, ns(ends[-1][1]), name),)


def _moment(at: float, node: int, spread: float) -> Moment:
    return Moment(ns(at - spread), ns(at), CLOCK_ERROR, f"node{node}")
