"""Importing what launchers left: from some folders to one run folder, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata

from ranklog.layout import safe_name
from ranklog_collector.core import journal
from ranklog_collector.errors import StoreError, StoreLockedError
from ranklog_collector.importing.draft import default_name
from ranklog_collector.importing.formats.found import File
from ranklog_collector.importing.gather import gather, peek
from ranklog_collector.importing.model import ImportingError, Plan, Stream
from ranklog_collector.importing.placing import Naming
from ranklog_collector.importing.plan import plan
from ranklog_collector.importing.recorder import Recorder
from ranklog_collector.importing.survey import AUTO, survey
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.rebuild import rebuild
from ranklog_collector.reading.runs import find_runs
from ranklog_collector.reading.verify import verify
from ranklog_collector.store.durable import Durability
from ranklog_collector.store.local import LocalStore
from ranklog_collector.store.open_files import OpenFiles

STAGING = ".importing"
"""Below the root: run folders that are being made. They are one level too deep to be taken for runs."""
ACCOUNT = "logs/import.txt"
_DIGEST_BYTES = 4096
_OPEN_FILES = 128


@dataclass(frozen=True, slots=True)
class Request:
    """What the user wants imported, and how."""

    places: tuple[str, ...]
    root: str
    experiment: str = "default"
    run_id: str | None = None
    name: str | None = None
    """What the run's id begins with."""
    format_name: str = AUTO
    rules: tuple[re.Pattern[str], ...] = ()
    nodes: tuple[tuple[str, str], ...] = ()
    """(node, its address or a folder or file of it)."""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Prospect:
    """What an import will make."""

    run_id: str
    folder: str
    digest: str
    plan: Plan
    files: int
    size: int
    places: tuple[str, ...]
    existing: str | None = None
    """Folder of a run of this id that is there already."""
    is_same: bool = False
    """Whether that was made of the same files."""


@dataclass(slots=True)
class Done:
    """A run folder that was made."""

    folder: str
    remarks: list[str] = field(default_factory=list)
    """What could not be read."""


def prospect(request: Request) -> Prospect:
    """Look at everything and decide what to make of it; nothing is written. Raises ImportingError."""
    places = [os.path.realpath(place) for place in request.places]
    gathered = gather(list(request.places))
    found = survey(gathered.files, request.format_name, request.rules)
    found.remarks[:0] = gathered.remarks
    naming = _naming(request, gathered.tops)
    planned = plan(found, naming, request.exit_code)
    digest = _digest(gathered.files)
    name = request.name or default_name(planned.launcher, found, places)
    run_id = request.run_id or f"{safe_name(name)[:60].strip('-.') or 'import'}-{digest[:8]}"
    folder = os.path.join(request.root, request.experiment, run_id)
    existing = _existing(request.root, run_id) or (folder if os.path.lexists(folder) else None)
    size = sum(file.size for file in gathered.files)
    is_same = existing is not None and _origin(existing) == f"{journal.IMPORT} {digest}"
    files = len(gathered.files)
    return Prospect(run_id, folder, digest, planned, files, size, tuple(places), existing, is_same)


def load(found: Prospect, experiment: str, root: str) -> Done:
    """Make the run folder, verify it, and put it where it belongs, instead of one that is there already.

    Raises ImportingError; then nothing has changed.
    """
    staging = os.path.join(root, STAGING, experiment, found.run_id)
    durability = Durability()
    try:
        done = _write(found, experiment, staging, durability)
        folder = RunFolder(staging)
        rebuild(folder)
        report = verify(folder)
        wrong = [f"{check.path}: {check.problem}" for check in report.checks if check.problem]
        if wrong:
            raise ImportingError(f"what was written is not what was read: {wrong[0]}")
        _put_in_place(staging, found)
    except StoreLockedError as error:
        raise ImportingError(f"the same is being imported at this moment, into {staging}") from error
    except (StoreError, ReadingError, OSError) as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise ImportingError(str(error)) from error
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    finally:
        durability.close()
        _prune(staging, root)
    return done


def is_import(folder: str) -> bool:
    """Whether a run folder was made by an import."""
    return _origin(folder).startswith(f"{journal.IMPORT} ")


def _naming(request: Request, tops: list[str]) -> Naming:
    addresses: dict[str, str] = {}
    folders: list[tuple[str, str]] = []
    for node, what in request.nodes:
        if os.path.lexists(what):
            folders.append((os.path.realpath(what), node))
        else:
            addresses[node] = what
    return Naming(tuple(tops), tuple(folders), addresses)


def _digest(files: Sequence[File]) -> str:
    """Of the files' names, sizes, first and last bytes: wherever they are, and whenever they were copied there."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda one: (one.place, one.name)):
        digest.update(f"{file.name!r} {file.size}\n".encode())
        digest.update(peek(file, 0, _DIGEST_BYTES) + peek(file, file.size - _DIGEST_BYTES, _DIGEST_BYTES))
    return digest.hexdigest()[:16]


def _existing(root: str, run_id: str) -> str | None:
    with suppress(ReadingError):
        return next((run.path for run in find_runs(root) if run.run_id == run_id), None)
    return None


def _origin(folder: str) -> str:
    with suppress(ReadingError):
        run = RunFolder(folder, latest_marks=True).state.run
        return run.origin if run is not None else ""
    return ""


def _write(found: Prospect, experiment: str, staging: str, durability: Durability) -> Done:
    planned = found.plan
    store = LocalStore(staging, OpenFiles(_OPEN_FILES), durability)
    try:
        store.lock()
        for path in store.list():
            store.remove(path)  # of an import that was killed
        run = journal.Run(1, found.run_id, experiment, planned.begun_ns, f"{journal.IMPORT} {found.digest}")
        recorder = Recorder(store, run)
        recorder.begin(planned, f"{metadata.version('ranklog')}, by import")
        for copy in planned.copies:
            recorder.copy(copy)
        for split in planned.splits:
            recorder.split(split)
        remarks = [*planned.remarks, *recorder.remarks]
        account = Stream(planned.nodes[0].name, "artifact", "", ACCOUNT)
        recorder.note(account, _account(found, remarks), planned.ended_ns)
        recorder.finish(planned)
        return Done(found.folder, recorder.remarks)
    finally:
        store.close()


def _account(found: Prospect, remarks: list[str]) -> str:
    """What was imported, for whoever reads the run folder later."""
    lines = ["Imported from"]
    lines += [f"  {place}" for place in found.places]
    lines += [
        "",
        "Times are those of files and of what launchers wrote; where a file's lines have none, all of them have the",
        "time of the file's last change.",
    ]
    if found.plan.clock_error_ns is not None:
        lines.append("The nodes' clocks were not compared: they are taken to agree to one second.")
    if remarks:
        lines += ["", *dict.fromkeys(remarks)]
    return "\n".join(lines).encode(errors="replace").decode() + "\n"


def _put_in_place(staging: str, found: Prospect) -> None:
    """At one stroke: a reader sees the old folder, none, or the whole new one."""
    former = f"{staging}.former"
    if found.existing is not None:
        shutil.rmtree(former, ignore_errors=True)
        os.rename(found.existing, former)
    os.makedirs(os.path.dirname(found.folder), exist_ok=True)
    try:
        os.rename(staging, found.folder)
    except OSError:
        if found.existing is not None:
            os.rename(former, found.existing)
        raise
    descriptor = os.open(os.path.dirname(found.folder), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    shutil.rmtree(former, ignore_errors=True)


def _prune(staging: str, root: str) -> None:
    for folder in (os.path.dirname(staging), os.path.join(root, STAGING)):
        with suppress(OSError):
            os.rmdir(folder)
