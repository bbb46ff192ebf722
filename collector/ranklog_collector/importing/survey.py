"""Looking at files: which are whose, and what launchers say in them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ranklog_collector.core.event_files import is_event_file
from ranklog_collector.importing.formats import cri, messages, paths, pod_status, ray, tags, xml_console
from ranklog_collector.importing.formats.found import End, Evidence, File, How
from ranklog_collector.importing.gather import peek, read
from ranklog_collector.importing.model import Coding, Console, ImportingError, Output, Pod, Survey
from ranklog_collector.importing.pieces import pieces

AUTO = "auto"
FORMATS = ("openmpi", "torchrun", "slurm", "mpich", "ray", "kubernetes", "plain")
SAMPLE_BYTES = 256 << 10
WORDS_BYTES = 4 << 20
"""So much of what a launcher itself says is read, from the end of it."""
_OWN_BYTES = 64 << 10
_STATUS_BYTES_MAX = 64 << 20
_LOG_SUFFIXES = (".log", ".txt", ".out", ".err", ".json", ".jsonl")
_CONSOLE_SUFFIXES = (".log", ".txt", ".out", ".err")
_SBATCH = re.compile(r"slurm-(?P<job>\d+(?:_\d+)?)[^/]*\.out")
_RANK_SAYS = re.compile(rb"^\[rank(?P<rank>\d{1,7})\]: |\[Gloo\] Rank (?P<gloo>\d{1,7}) is connected", re.MULTILINE)
_HIDDEN_NAMESPACES = frozenset(("kube-system",))


@dataclass(slots=True)
class _Sorting:
    """Files on their way into a survey."""

    formats: Sequence[str]
    rules: Sequence[re.Pattern[str]]
    survey: Survey = field(default_factory=Survey)
    pods: dict[tuple[str, ...], list[tuple[cri.Container, File]]] = field(default_factory=lambda: defaultdict(list))
    left: list[File] = field(default_factory=list)
    """Of which nothing is known yet."""


def survey(files: Sequence[File], format_name: str, rules: Sequence[re.Pattern[str]]) -> Survey:
    """Find out what the files are. Raises ImportingError if nobody's output is among them, or that of several jobs."""
    sorting = _Sorting(FORMATS if format_name == AUTO else (format_name,), rules)
    for file in files:
        _sort(sorting, file)
    found = sorting.survey
    for lives in sorting.pods.values():
        lives.sort(key=lambda one: one[0].order)
        pod_files = tuple(file for _, file in lives)
        found.pods.append(Pod(lives[0][0], pod_files, _times(pod_files)))
    launchers = {output.writer.launcher for output in found.outputs} - {"none"}
    left = 0
    for file in sorting.left:
        console = _console(file, format_name, launchers, found)
        if console is not None:
            found.consoles.append(console)
        elif is_event_file(file.path) or file.path.endswith(_LOG_SUFFIXES) or file.is_named:
            found.logs.append((file, ""))
        else:
            left += 1
    if left:
        found.remarks.append(f"{left} other files, which are no logs by their names, are left out")
    _listen_to_ranks(found)
    _check_is_one_job(found)
    _take_launcher_pods(found)
    return found


def _sort(sorting: _Sorting, file: File) -> None:
    found, formats = sorting.survey, sorting.formats
    if "kubernetes" in formats and (container := cri.container(file.path)) is not None:
        if container.namespace in _HIDDEN_NAMESPACES:
            return
        key = (container.namespace, container.pod, container.uid, container.name, str(container.restart))
        sorting.pods[key].append((container, file))
    elif "kubernetes" in formats and file.path.endswith(".json") and _tells_of_pods(file, found):
        found.logs.append((file, ""))
    elif "ray" in formats and (inside := ray.session(file.path)) is not None:
        group = f"{file.place}:{inside[0]}"
        written = ray.written_by(file)
        if written is not None:
            found.outputs.append(Output(*written, file))
            return
        found.logs.append((file, group))
        if ray.is_told_in(inside[1]):
            text = peek(file, 0, WORDS_BYTES).decode(errors="replace")
            found.evidence.add(ray.read(inside[1], text, group))
    elif "torchrun" in formats and (writer := paths.error_file(file)) is not None:
        found.errors.append(Output(writer, "error", file))
    elif (written := paths.written_by(file, formats, sorting.rules)) is not None:
        found.outputs.append(Output(*written, file))
    else:
        sorting.left.append(file)


def _tells_of_pods(file: File, found: Survey) -> bool:
    """Take in what kubectl has told of pods, if that is what the file is."""
    if not pod_status.looks_like(peek(file, 0, 4096)):
        return False
    pods = pod_status.read(peek(file, 0, _STATUS_BYTES_MAX))
    for pod in pods:
        if pod.ip:
            found.evidence.addresses[pod.name] = pod.ip
        for (container, restart), end in pod.ends.items():
            found.evidence.containers[pod.name, container, restart] = end
    return bool(pods)


# ---- consoles -------------------------------------------------------------------------------------------------------


def _console(file: File, format_name: str, launchers: set[str], found: Survey) -> Console | None:
    """Read a file in which a launcher may speak; None if it does not."""
    sbatch = _SBATCH.fullmatch(file.base)
    if not (file.is_named or sbatch or file.path.endswith(_CONSOLE_SUFFIXES)) or is_event_file(file.path):
        return None
    sample = peek(file, 0, SAMPLE_BYTES)
    is_cri = cri.looks_like(sample)
    group = f"console {file.path}"
    console = Console((file,), Coding.CONTAINER if is_cri else Coding.PLAIN, group=group)
    return _read_console(console, sample, format_name, launchers, found, is_sure=sbatch is not None or is_cri)


def _read_console(
    console: Console, sample: bytes, format_name: str, launchers: set[str], found: Survey, is_sure: bool
) -> Console | None:
    file = console.file
    tail = peek(file, file.size - _OWN_BYTES, _OWN_BYTES)
    hint = messages.read((sample + tail).decode(errors="replace")).launcher
    if is_sure and not hint and console.coding is Coding.PLAIN:
        hint = "slurm"
    forced = format_name if format_name in tags.STYLES else ""
    decoded = _decoded(sample, console.coding)
    style = tags.detect(decoded, forced or hint) or tags.detect(decoded)
    if xml_console.looks_like(decoded):
        style = tags.Style("openmpi", is_xml=True)
    if style is None and not hint and not is_sure and not (file.is_named and forced):
        return None
    scan = _Scan.of(console.files, console.coding, style, found.remarks)
    zone_ns = tags.zone_ns(scan.local_ns and scan.local_ns[1], file.mtime_ns)
    said = messages.read(scan.words.decode(errors="replace"), console.group, zone_ns)
    found.evidence.add(said.evidence)
    for rank, node in scan.nodes.items():
        found.evidence.nodes.setdefault(rank, node)
    for rank, pid in scan.pids.items():
        found.evidence.pids.setdefault(rank, pid)
    for rank, text in scan.tails.items():
        found.evidence.ends += messages.read_own(text.decode(errors="replace"), rank)
    if style is not None and style.is_local and (base := tags.base_of(sample)) is not None:
        found.evidence.add(Evidence(bases={console.group: (base, "")}))
    job = _SBATCH.fullmatch(file.base)
    return replace(
        console,
        style=style,
        launcher=said.launcher or hint or forced or (style.launcher if style else ""),
        ranks=frozenset(scan.ranks),
        local_ns=scan.local_ns,
        repeats_ranks=style is None and bool(launchers) and _repeats(sample, found.outputs),
        job=job["job"] if job else "",
    )


def _times(files: Sequence[File]) -> tuple[int, int] | None:
    """When a container said something first and last."""
    first = next((data for data in _first_blocks(files[0])), b"")
    last = peek(files[-1], files[-1].size - _OWN_BYTES, _OWN_BYTES)
    times = [text.time_ns for data in (first[:_OWN_BYTES], last) for text in cri.Decoder().feed(data) if text.time_ns]
    return (min(times), max(times)) if times else None


def _first_blocks(file: File) -> Iterator[bytes]:
    with suppress(OSError):
        yield from read(file)


def _decoded(sample: bytes, coding: Coding) -> bytes:
    if coding is Coding.PLAIN:
        return sample
    decoder = cri.Decoder()
    return b"".join(text.data for text in decoder.feed(sample))


def _repeats(sample: bytes, outputs: Sequence[Output]) -> bool:
    lines = {line.strip() for line in sample.split(b"\n")} - {b""}
    return any(peek(one.file, 0, 4096).partition(b"\n")[0].strip() in lines for one in outputs[:8])


@dataclass(slots=True)
class _Scan:
    """One reading of a whole console."""

    words: bytes = b""
    """The last of what the launcher itself said."""
    ranks: set[tuple[int, str]] = field(default_factory=set)
    tails: dict[int, bytearray] = field(default_factory=dict)
    nodes: dict[int, str] = field(default_factory=dict)
    pids: dict[int, int] = field(default_factory=dict)
    local_ns: tuple[int, int] | None = None

    @classmethod
    def of(cls, files: Sequence[File], coding: Coding, style: tags.Style | None, remarks: list[str]) -> _Scan:
        def failed(file: File, error: OSError) -> None:
            remarks.append(f"{file.path} cannot be read to its end: {error.strerror}")

        scan = cls()
        words: list[bytes] = []
        size = 0
        for piece in pieces(files, coding, style, failed, scan.nodes, scan.pids):
            if piece.local_ns is not None:
                scan.local_ns = (scan.local_ns[0] if scan.local_ns else piece.local_ns), piece.local_ns
            if piece.rank is None:
                words.append(piece.data)
                size += len(piece.data)
                if size > 2 * WORDS_BYTES:
                    words = [b"".join(words)[-WORDS_BYTES:]]
                    size = len(words[0])
            else:
                scan.ranks.add((piece.rank, piece.stream))
                tail = scan.tails.setdefault(piece.rank, bytearray())
                tail += piece.data
                if len(tail) > 2 * _OWN_BYTES:
                    del tail[:-_OWN_BYTES]
        scan.words = b"".join(words)
        return scan


# ---- what else tells of ranks ---------------------------------------------------------------------------------------


def _take_launcher_pods(found: Survey) -> None:
    """The pod in which mpirun ran is a console: the ranks' output is in it, and none in the workers' own logs."""
    launchers = [pod for pod in found.pods if pod.container.role == "launcher" and not pod.container.is_sidecar]
    for pod in launchers:
        console = Console(pod.files, Coding.CONTAINER, group=f"console {pod.files[0].path}")
        sample = peek(pod.files[-1], 0, SAMPLE_BYTES)
        read_one = _read_console(console, sample, AUTO, set(), found, is_sure=True)
        assert read_one is not None
        found.consoles.append(read_one)
    if launchers:
        others = [pod for pod in found.pods if pod not in launchers]
        found.logs += [(file, pod.container.pod) for pod in others for file in pod.files]
        found.pods = []


def _listen_to_ranks(found: Survey) -> None:
    """What the output of ranks itself tells of who they are, and that they have called MPI_Abort."""
    for output in found.outputs:
        writer, file = output.writer, output.file
        if writer.launcher not in ("torchrun", "openmpi", "mpich"):
            continue
        tail = peek(file, file.size - _OWN_BYTES, _OWN_BYTES)
        if writer.launcher == "torchrun" and writer.local_rank is not None:
            text = peek(file, 0, _OWN_BYTES) + tail
            ranks = {int(one["rank"] or one["gloo"]) for one in _RANK_SAYS.finditer(text)}
            base = min(ranks) - writer.local_rank if len(ranks) == 1 else -1
            if base >= 0:
                found.evidence.add(Evidence(bases={writer.group: (base, "")}))
        elif writer.rank is not None:
            ends: list[End] = messages.read_own(tail.decode(errors="replace"), writer.rank)
            found.evidence.ends += ends
            found.evidence.has_failed = found.evidence.has_failed or any(end.how != How(0) for end in ends)


def _check_is_one_job(found: Survey) -> None:
    jobs: dict[str, set[str]] = defaultdict(set)
    for output in found.outputs:
        if output.writer.launcher == "ray":
            jobs["Ray sessions"].add(output.writer.group.rpartition("/")[2])
        elif output.writer.job:
            jobs[f"jobs of {output.writer.launcher}"].add(output.writer.job)
    jobs["jobs of slurm"] |= {console.job for console in found.consoles if console.job}
    jobs["jobs of Kubernetes"] = {pod.container.job for pod in found.pods if not pod.container.is_sidecar}
    for what, names in jobs.items():
        if len(names) > 1:
            listed = ", ".join(sorted(names)[:8]) + (" …" if len(names) > 8 else "")
            raise ImportingError(f"these are files of several {what} ({listed}); name the files or folders of one")
    if not (found.outputs or found.consoles or found.pods):
        raise ImportingError(
            "no output of ranks was recognised; say what wrote it with --format, or how the rank is read from a "
            "path with --rule"
        )
