"""A run's files for taking along: a list, one file, or many as a zip that is made while it is sent."""

from __future__ import annotations

import io
import os
import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import IO, TYPE_CHECKING

from ranklog_collector.core.event_files import parse_image_path
from ranklog_collector.core.layout import INTERNAL
from ranklog_collector.reading.event_images import open_file
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.processes import ProcessView, processes
from ranklog_collector.reading.state import Stream

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK = 1 << 20
_EARLIEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class FileView:
    """One file of the run folder."""

    path: str
    size: int
    changed_ns: int
    role: str = ""
    """Of its stream; empty for a file that is not a stream's."""
    node: str = ""
    process: str = ""
    """Name of the process that wrote it."""
    rank: int | None = None
    segments: int = 0
    is_complete: bool = False
    """Whether every segment has been finished and verified."""


def files(folder: RunFolder, with_internal: bool = False) -> list[FileView]:
    """List the regular files of a run by path; links are left out, and so is `.ranklog` unless asked for."""
    streams = {stream.path: stream for stream in folder.state.streams.values()}
    owners = {(view.node, view.key): view for view in processes(folder.state)}
    found = []
    for where, folders, entries in os.walk(folder.path):
        inside = os.path.relpath(where, folder.path)
        if inside == "." and not with_internal:
            folders[:] = [name for name in folders if name != INTERNAL]
        for entry in entries:
            path = os.path.normpath(os.path.join(inside, entry))
            try:
                status = os.lstat(os.path.join(where, entry))
            except FileNotFoundError:
                continue  # renamed while we looked
            if stat.S_ISREG(status.st_mode):
                found.append(_view(folder, path, status, streams.get(path), owners))
    return sorted(found, key=lambda file: file.path)


def matching(found: list[FileView], wanted: str) -> list[FileView]:
    """Choose files by path, by a folder's path, or by a pattern. Raises ReadingError if there is none."""
    name = wanted.strip("/")
    chosen = [file for file in found if file.path == name or file.path.startswith(f"{name}/")]
    chosen = chosen or [file for file in found if fnmatchcase(file.path, name)]
    if not chosen and parse_image_path(name) is not None:
        return [FileView(name, 0, 0)]
    if chosen:
        return chosen
    alike = [file.path for file in found if file.path.rpartition("/")[2] == name.rpartition("/")[2]]
    hint = f"; there is {', '.join(alike[:5])}" if alike else "; ranklog files lists all"
    raise ReadingError(f"the run has no file {wanted!r}{hint}")


def content(root: str, path: str) -> Iterator[bytes]:
    """Yield the bytes of a file of the run folder `root`, as many as it has now.

    Raises ReadingError if it cannot be read.
    """
    try:
        file = open_file(root, path)
    except OSError as error:
        raise ReadingError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        at, end = 0, os.fstat(file).st_size
        while at < end and (data := os.pread(file, min(BLOCK, end - at), at)):
            yield data
            at += len(data)
    finally:
        os.close(file)


def save(folder: RunFolder, chosen: list[FileView], is_single: bool, output: str) -> str:
    """Write one file, or many as a zip, to the file `output` or into the folder `output`; returns where it is.

    Raises ReadingError if it cannot be read or written.
    """
    name = os.path.basename(chosen[0].path) if is_single else f"{os.path.basename(folder.path)}.zip"
    target = os.path.join(output, name) if os.path.isdir(output) else output
    partial = f"{target}.part"
    try:
        with open(partial, "wb") as file:
            if is_single:
                file.writelines(content(folder.path, chosen[0].path))
            else:
                file.writelines(zipped(folder.path, chosen))
        os.replace(partial, target)
    except OSError as error:
        raise ReadingError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            os.unlink(partial)
    return target


def send(folder: RunFolder, chosen: list[FileView], is_single: bool, target: IO[bytes]) -> None:
    """Write one file, or many as a zip, to a stream. Raises ReadingError if one cannot be read."""
    target.writelines(content(folder.path, chosen[0].path) if is_single else zipped(folder.path, chosen))


def zipped(root: str, chosen: list[FileView]) -> Iterator[bytes]:
    """Yield files of the run folder `root` as a zip, in their order and below a folder named after the run.

    Each file is as long as it is when its turn comes. Raises ReadingError if one cannot be read.
    """
    made = _Made()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in chosen:
            changed = time.gmtime(max(0, min(file.changed_ns // 10**9, 0xFFFFFFFF)))[:6]
            entry = zipfile.ZipInfo(f"{os.path.basename(root)}/{file.path}", max(changed, _EARLIEST))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            with archive.open(entry, "w", force_zip64=True) as out:
                for data in content(root, file.path):
                    out.write(data)
                    yield made.taken()
    yield made.taken()


class _Made(io.RawIOBase):
    """What of the zip has been made and not taken yet. It cannot seek: sizes follow the data."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _view(
    folder: RunFolder,
    path: str,
    status: os.stat_result,
    stream: Stream | None,
    owners: dict[tuple[str, str], ProcessView],
) -> FileView:
    if stream is None:
        return FileView(path, status.st_size, status.st_mtime_ns)
    segments = [folder.state.segments[number] for number in stream.segments]
    if stream.snapshot is not None:
        segments = [folder.state.segments[stream.snapshot]]
    owner = owners.get((stream.node, stream.process))
    return FileView(
        path=path,
        size=status.st_size,
        changed_ns=stream.timeline.last(folder.state.clock(stream)) or status.st_mtime_ns,
        role=stream.role,
        node=stream.node,
        process=owner.name if owner else "",
        rank=owner.rank if owner else None,
        segments=len(segments),
        is_complete=all(segment.closed is not None for segment in segments),
    )
