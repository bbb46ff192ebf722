"""From what was found to the run folder that is to be made. No I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from signal import Signals
from typing import Any

from ranklog.layout import process_key
from ranklog_collector.importing.draft import Draft, Found, Key, Streams
from ranklog_collector.importing.formats.found import End, File, How, Writer
from ranklog_collector.importing.formats.tags import zone_ns
from ranklog_collector.importing.model import Coding, Console, ImportingError, Node, Plan, Process, Survey
from ranklog_collector.importing.placing import UNKNOWN, Naming, Placing, plain

PROCESSES_MAX = 100_000
"""Each has files of its own in the run folder."""
SECOND_NS = 1_000_000_000
_SPARSE = 4
"""Where fewer than every fourth rank is known, the highest does not tell how many there were."""
_ORDERLY = (1, 2, 15)  # HUP, INT, TERM: somebody wanted it to end
_MPI = frozenset(("openmpi", "mpich"))


def plan(survey: Survey, naming: Naming, exit_code: int | None = None) -> Plan:
    """Decide what the run folder will hold; `exit_code` is the launcher's, if that is known. Raises ImportingError."""
    draft = Draft(survey, naming, Placing(survey, naming))
    _take_outputs(draft)
    _take_pods(draft)
    _take_consoles(draft)
    _take_errors(draft)
    _take_ends(draft)
    if len(draft.processes) > PROCESSES_MAX:
        raise ImportingError(f"there are {len(draft.processes)} ranks in these files, more than {PROCESSES_MAX}")
    return _finished(draft, exit_code)


# ---- who there is ---------------------------------------------------------------------------------------------------


def _take_outputs(draft: Draft) -> None:
    files: dict[tuple[Key, str], list[tuple[File, Writer]]] = {}
    ranks_in: dict[int, set[Key]] = {}
    for output in draft.survey.outputs:
        writer = output.writer
        rank = draft.placing.rank(writer)
        name: int | str = rank if rank is not None else f"{writer.group} {writer.pid}"
        key = (name, writer.attempt)
        files.setdefault((key, output.stream), []).append((output.file, writer))
        ranks_in.setdefault(output.file.place, set()).add(key)
    for (key, stream), found in files.items():
        # Open MPI 5 leaves a remote rank's file on its own node and on the head, which has those of all.
        found.sort(key=lambda one: (len(ranks_in[one[0].place]), one[0].place))
        (file, writer), *others = found
        same = [one for one, _ in others if one.place != file.place and one.size == file.size]
        for other, _ in others:
            if other not in same:
                draft.survey.logs.append((other, ""))
                draft.remarks.append(f"{other.path} is a second file of the same rank: it is kept below logs/")
        node = draft.placing.node(writer, file)
        process = draft.processes.setdefault(key, Found(node, draft.placing.rank(writer)))
        process.local_rank, process.attempt, process.launcher = writer.local_rank, writer.attempt, writer.launcher
        process.pid = process.pid or writer.pid
        _note_times(process, file)
        draft.copies.append((key, stream, [file]))


def _note_times(process: Found, file: File) -> None:
    process.began_ns.append(file.began_ns or file.mtime_ns)
    if file.size:
        process.spoke_ns.append(file.mtime_ns)


def _take_pods(draft: Draft) -> None:
    pods = draft.survey.pods
    has_master = any(pod.container.role in ("master", "chief") for pod in pods)
    own: dict[str, set[str]] = {}
    for pod in pods:
        if not pod.container.is_sidecar:
            own.setdefault(pod.container.pod, set()).add(pod.container.name)
    for pod in pods:
        container = pod.container
        if container.is_sidecar:
            draft.survey.logs += [(file, container.pod) for file in pod.files]
            continue
        rank = container.index if len(own[container.pod]) == 1 else None
        if rank is None and container.role in ("master", "chief"):
            rank = 0
        if rank is not None and container.role == "worker" and has_master:
            rank += 1
        name: int | str = rank if rank is not None else f"{container.pod} {container.name}"
        key = (name, container.restart)
        process = draft.processes.setdefault(
            key, Found(plain(container.pod), rank, attempt=container.restart, launcher="indexed")
        )
        process.end = draft.survey.evidence.containers.get((container.pod, container.name, container.restart))
        if pod.times is None:
            for file in pod.files:
                _note_times(process, file)
        else:
            process.began_ns.append(pod.times[0])
            process.spoke_ns.append(pod.times[1])
        targets: dict[tuple[int | None, str], tuple[Key, str]] = {
            (None, stream): (key, stream) for stream in ("stdout", "stderr")
        }
        draft.splits.append((Console(pod.files, Coding.CONTAINER, group=container.pod), targets))


def _take_consoles(draft: Draft) -> None:
    in_files = {key for key, _, _ in draft.copies} | set(draft.processes)
    for console in draft.survey.consoles:
        is_mpi = console.launcher in _MPI
        base = draft.placing.bases.get(console.group, 0) if console.style and console.style.is_local else 0
        is_log = is_mpi and (console.style or (in_files and not console.repeats_ranks))
        own = "launcher_log" if is_log else "launcher_stderr" if _is_stderr(console.file) else "launcher_stdout"
        # job.out and job.err are of one launcher.
        launcher: Key = (f"launcher {console.file.path.rpartition('.')[0] or console.file.path}", 0)
        draft.processes.setdefault(
            launcher, Found(draft.placing.group_node(console.group), launcher=console.launcher, is_launcher=True)
        )
        targets: dict[tuple[int | None, str], tuple[Key, str]] = {(None, "stdout"): (launcher, own)}
        if console.coding is Coding.CONTAINER:
            targets[None, "stderr"] = (launcher, own if is_log else "launcher_stderr")
        spans: list[tuple[int, int]] = _spans(console)
        draft.processes[launcher].began_ns += [began for began, _ in spans]
        draft.processes[launcher].spoke_ns += [ended for _, ended in spans]
        for rank, stream in sorted(console.ranks):
            key: Key = (rank + base, 0)
            if key in in_files:
                continue
            node = draft.placing.group_node(console.group) or draft.placing.node_of_rank(rank + base)
            process = draft.processes.setdefault(key, Found(node, rank + base, launcher=console.launcher))
            process.local_rank = rank if console.style and console.style.is_local else None
            process.began_ns += [began for began, _ in spans]
            process.spoke_ns += [ended for _, ended in spans]
            targets[rank, stream] = (key, stream)
        draft.splits.append((console, targets))


def _is_stderr(file: File) -> bool:
    return file.base.endswith(".err") or file.base.startswith(("err.", "stderr"))


def _spans(console: Console) -> list[tuple[int, int]]:
    """From when to when a console was written: by the clock that stands in it, else as its files tell."""
    if console.local_ns is None:
        return [(file.began_ns or file.mtime_ns, file.mtime_ns) for file in console.files]
    first, last = console.local_ns
    zone = zone_ns(last, console.file.mtime_ns)
    return [(first - zone, last - zone)]


def _take_errors(draft: Draft) -> None:
    for error in draft.survey.errors:
        draft.survey.logs.append((error.file, error.writer.group))
        if error.writer.group not in draft.placing.bases:
            continue
        process = draft.processes.get((draft.placing.rank(error.writer) or 0, error.writer.attempt))
        if process is not None:
            process.raised_ns = error.file.mtime_ns
    last = max((process.attempt for process in draft.processes.values()), default=0)
    draft.survey.evidence.has_failed |= any(error.writer.attempt == last for error in draft.survey.errors)


# ---- how it ended ---------------------------------------------------------------------------------------------------


def _take_ends(draft: Draft) -> None:
    evidence = draft.survey.evidence
    last = _last_attempts(draft)
    for process in draft.processes.values():
        if process.rank is not None and process.pid is None and process.attempt == last[process.rank]:
            process.pid = evidence.pids.get(process.rank)
    failures: dict[str, int] = {}
    for end in evidence.ends:
        if end.attempt is not None:
            failures[end.group] = max(failures.get(end.group, 0), end.attempt + 1)
    for end in evidence.ends:
        whose = _of_attempt(draft, end, last, failures) if end.attempt is not None else _whose(draft, end, last)
        if whose is None:
            if end.attempt is None:
                draft.remarks.append(_nobodys(end))
        elif whose.end is None or (whose.end.time_ns is None and end.time_ns is not None):
            whose.end = end
            whose.pid = whose.pid or end.pid


def _last_attempts(draft: Draft) -> dict[int, int]:
    last: dict[int, int] = {}
    for process in draft.processes.values():
        if process.rank is not None:
            last[process.rank] = max(last.get(process.rank, 0), process.attempt)
    return last


def _of_attempt(draft: Draft, end: End, last: dict[int, int], failures: dict[str, int]) -> Found | None:
    """The process of one of several attempts of which an agent of torchrun's has told that it failed."""
    if end.local_rank is None or end.group not in draft.placing.bases:
        return None
    rank = draft.placing.bases[end.group] + end.local_rank
    # It tells of each failure once; if some are missing, nobody knows which attempts they are of.
    is_all = last.get(rank, 0) + 1 == failures[end.group]
    return draft.processes.get((rank, end.attempt or 0)) if is_all else None


def _whose(draft: Draft, end: End, last: dict[int, int]) -> Found | None:
    if end.rank is not None:
        key: Key = (end.rank, last.get(end.rank, 0))
        node = end.node or draft.placing.node_of_rank(end.rank)
        return draft.processes.setdefault(key, Found(node, end.rank, end.local_rank, key[1]))
    own = [one for one in draft.processes.values() if not one.is_launcher]
    here = [one for one in own if end.group or one.node == end.node]
    named = [one for one in here if one.pid is not None and one.pid == end.pid]
    if len(named) == 1:
        return named[0]
    return here[0] if len(here) == 1 and here[0].pid is None and not end.group else None


def _nobodys(end: End) -> str:
    how = "nobody knows what" if end.how is None else f"exit code {end.how.exit_code}"
    if end.how is not None and end.how.signal is not None:
        how = f"signal {end.how.signal}"
    return (
        f"the launcher tells that pid {end.pid} on {end.node or '?'} ended with {how}; which rank that was is not known"
    )


# ---- the plan -------------------------------------------------------------------------------------------------------


def _finished(draft: Draft, exit_code: int | None) -> Plan:
    survey, evidence = draft.survey, draft.survey.evidence
    all_files = [file for files in _files(draft) for file in files]
    ranks = [process.rank for process in draft.processes.values() if process.rank is not None]
    world = max(ranks) + 1 if ranks and max(ranks) < _SPARSE * len(set(ranks)) else None
    times = [time for process in draft.processes.values() for time in process.began_ns]
    begun_ns = min(times or [file.mtime_ns for file in all_files])
    at_home = next((one.node for one in _in_order(draft) if not one.is_launcher), UNKNOWN)
    for process in draft.processes.values():
        # A launcher that does not say where it runs is taken to be with its first rank, as most are.
        process.node = process.node or at_home
    spoke = [time for process in draft.processes.values() for time in process.spoke_ns]
    for process in draft.processes.values():
        # Of whom there is no output, at least the launcher has spoken.
        process.spoke_ns = process.spoke_ns or [max(spoke, default=begun_ns)]
    processes = [_process(draft, one, world, begun_ns, exit_code) for one in _in_order(draft)]
    # Lines that have a time of their own know better than their file, which may be a copy.
    timed = [pod.files for pod in survey.pods if pod.times is not None]
    timed += [console.files for console in survey.consoles if console.local_ns is not None]
    untimed = [file.mtime_ns for files in _files(draft) if files not in timed for file in files]
    ended_ns = max([process.ended_ns for process in processes] + untimed)
    node_names = list(dict.fromkeys(process.node for process in processes)) or [UNKNOWN]
    told = {**evidence.addresses, **draft.naming.addresses}
    nodes = [Node(name, _address(told.get(name, ""))) for name in node_names]
    launchers = {one.launcher for one in draft.processes.values()} | {one.launcher for one in survey.consoles}
    streams = Streams(draft, node_names)
    return Plan(
        nodes=nodes,
        processes=processes,
        copies=streams.copies(),
        splits=streams.splits(),
        state=_state(draft, exit_code),
        begun_ns=begun_ns,
        ended_ns=ended_ns,
        clock_error_ns=SECOND_NS if len(nodes) > 1 else None,
        launcher=next(iter(sorted(launchers - {"none", ""})), "none"),
        remarks=[*survey.remarks, *draft.remarks],
    )


def _address(text: str) -> str:
    """An address that a file told, if it is one: folders are named by it."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _files(draft: Draft) -> Iterable[tuple[File, ...]]:
    yield from (tuple(files) for _, _, files in draft.copies)
    yield from (console.files for console, _ in draft.splits)


def _in_order(draft: Draft) -> list[Found]:
    """By attempt, so that a later one is known as such."""
    return sorted(
        draft.processes.values(),
        key=lambda one: (one.attempt, one.is_launcher, one.rank is None, one.rank or 0, one.pid or 0),
    )


def _process(draft: Draft, found: Found, world: int | None, begun_ns: int, exit_code: int | None) -> Process:
    start_ns = min(found.began_ns, default=begun_ns)
    key = "launcher" if found.is_launcher else process_key(found.rank, found.pid or 0, start_ns)
    count = draft.keys[key] = draft.keys.get(key, 0) + 1
    found.key = key if count == 1 else f"{key}-{count}"
    record: dict[str, Any] = {
        "version": 1,
        "key": found.key,
        "start_ns": start_ns,
        "hostname": "" if found.node == UNKNOWN else found.node,
        "role": _role(found),
        "launcher": found.launcher,
        "restart": found.attempt,
        "pid": found.pid,
        "rank": found.rank,
        "local_rank": found.local_rank,
        "world_size": None if found.is_launcher else world,
    }
    record = {name: value for name, value in record.items() if value is not None}
    ended_ns = max(start_ns, _ended_ns(found))
    how = found.end.how if found.end is not None else _by_exit_code(found, exit_code)
    if how is None:
        return Process(found.node, found.key, record, ended_ns, is_gone=found.end is not None)
    end: dict[str, Any] = {"version": 1, "key": found.key, "end_ns": ended_ns, "max_rss_bytes": None}
    end |= {"exit_code": how.exit_code, "signal": how.signal}
    if how.signal is not None:
        end |= {"signal_name": _signal_name(how.signal), "oom_killed": how.oom_killed or None}
    return Process(found.node, found.key, record, ended_ns, end)


def _role(found: Found) -> str:
    return "launcher" if found.is_launcher else "process" if found.rank is None else "rank"


def _by_exit_code(found: Found, exit_code: int | None) -> How | None:
    """What the launcher's exit code tells: of itself all, of its ranks only that none has failed."""
    if exit_code is not None and (found.is_launcher or exit_code == 0):
        return How(exit_code)
    return None


def _ended_ns(found: Found) -> int:
    """As exactly as it is known: launchers tell whole seconds, files more, if they are of the same second."""
    told = found.end.time_ns if found.end is not None else None
    known = [time for time in (found.raised_ns, max(found.spoke_ns)) if time is not None]
    if told is None:
        return known[0]
    return next((time for time in known if told <= time < told + SECOND_NS), told)


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _state(draft: Draft, exit_code: int | None) -> str:
    evidence = draft.survey.evidence
    if evidence.has_failed or exit_code not in (None, 0):
        return "failed"
    if evidence.was_canceled:
        return "canceled"
    own = [process for process in _in_order(draft) if not process.is_launcher]
    # A rank that was started again counts by its last attempt.
    last = {process.rank if process.rank is not None else f"{at}": process for at, process in enumerate(own)}
    ends = [process.end for process in last.values()]
    if exit_code == 0 or (ends and all(end is not None and end.how == How(0) for end in ends)):
        return "completed"
    hows = [end.how for end in ends if end is not None and end.how is not None]
    has_failed = any(how.exit_code not in (None, 0) or how.signal not in (None, *_ORDERLY) for how in hows)
    return "failed" if has_failed else "lost"
