"""Listing and reading the files that are to be imported: nothing outside is read, and nothing is changed."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ranklog_collector.core.layout import INTERNAL
from ranklog_collector.importing.formats.found import File
from ranklog_collector.importing.model import ImportingError

BLOCK_BYTES = 1 << 20
FILES_MAX = 200_000
UNPACKED_MAX = 1 << 30
"""More than that is not taken out of one packed file; a kubelet rotates at 10 MiB."""
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class Gathered:
    """The regular files of some places, and what was left out."""

    files: list[File] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)
    """The folders that were named, and those of files that were; a file's place is its index here."""
    remarks: list[str] = field(default_factory=list)


def gather(places: list[str]) -> Gathered:
    """List all regular files below some folders, or files that are named themselves. Raises ImportingError."""
    gathered = Gathered()
    seen: set[tuple[int, int]] = set()
    for place in places:
        real = os.path.realpath(place)
        try:
            status = os.stat(real)
        except OSError as error:
            raise ImportingError(f"{place} cannot be read: {error.strerror}") from error
        if stat.S_ISDIR(status.st_mode) and _is_run(real, ""):
            raise ImportingError(f"{place} is a run folder already")
        if stat.S_ISDIR(status.st_mode):
            _walk(real, _index(real, gathered.tops), gathered, seen)
        elif stat.S_ISREG(status.st_mode):
            folder, name = os.path.split(real)
            _add(real, name, _index(folder, gathered.tops), status, gathered, seen, is_named=True)
        else:
            raise ImportingError(f"{place} is neither a folder nor a file")
    return gathered


def _is_run(where: str, name: str) -> bool:
    return os.path.lexists(os.path.join(where, name, INTERNAL))


def _index(top: str, tops: list[str]) -> int:
    if top not in tops:
        tops.append(top)
    return tops.index(top)


def _walk(top: str, place: int, gathered: Gathered, seen: set[tuple[int, int]]) -> None:
    def failed(error: OSError) -> None:
        gathered.remarks.append(f"{error.filename} cannot be read: {error.strerror}")

    links = others = 0
    for where, folders, names in os.walk(top, onerror=failed):
        # Run folders are not to be imported once more, should they be below the same folder.
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not _is_run(where, name))
        links += sum(os.path.islink(os.path.join(where, name)) for name in folders)
        for name in sorted(names):
            path = os.path.join(where, name)
            try:
                status = os.lstat(path)
            except OSError as error:
                gathered.remarks.append(f"{path} cannot be read: {error.strerror}")
                continue
            if stat.S_ISREG(status.st_mode):
                _add(path, os.path.relpath(path, top), place, status, gathered, seen)
            elif stat.S_ISLNK(status.st_mode):
                links += 1
            else:
                others += 1
    if links:
        gathered.remarks.append(f"{top}: {links} symbolic links are not followed; name what they lead to if it matters")
    if others:
        gathered.remarks.append(f"{top}: {others} pipes, sockets or devices are left out")


def _add(
    path: str,
    name: str,
    place: int,
    status: os.stat_result,
    gathered: Gathered,
    seen: set[tuple[int, int]],
    is_named: bool = False,
) -> None:
    if (status.st_dev, status.st_ino) in seen:
        return
    if len(gathered.files) >= FILES_MAX:
        raise ImportingError(f"there are more than {FILES_MAX} files; name the folder that the launcher wrote")
    seen.add((status.st_dev, status.st_ino))
    folder = os.path.dirname(path)
    gathered.files.append(
        File(
            path,
            place,
            name,
            status.st_size,
            status.st_mtime_ns,
            _changed_ns(folder),
            _changed_ns(os.path.dirname(folder)),
            status.st_dev,
            status.st_ino,
            is_named,
        )
    )


def _changed_ns(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def read(file: File) -> Iterator[bytes]:
    """The bytes of a file, those of one that is packed (.gz) unpacked. Raises OSError."""
    if not file.path.endswith(".gz"):
        yield from read_raw(file)
        return
    unpacked = 0
    unpacker, is_whole = zlib.decompressobj(wbits=31), False
    for block in read_raw(file):
        rest = block
        while rest:
            try:
                data = unpacker.decompress(rest, BLOCK_BYTES)
            except zlib.error as error:
                raise OSError(errno.EINVAL, f"it is damaged: {error}") from error
            unpacked += len(data)
            if unpacked > UNPACKED_MAX:
                raise OSError(errno.EFBIG, f"it unpacks to more than {UNPACKED_MAX >> 20} MiB")
            yield data
            rest, is_whole = unpacker.unconsumed_tail, unpacker.eof
            if unpacker.eof:
                # Packed files may be several, one behind the other.
                rest, unpacker = unpacker.unused_data, zlib.decompressobj(wbits=31)
    yield unpacker.flush()
    if not is_whole:
        raise OSError(errno.EINVAL, "it is cut off")


def peek(file: File, at: int, length: int) -> bytes:
    """Some bytes of a file as it is; none if it cannot be read."""
    try:
        descriptor = _open(file)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, length, max(0, at))
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def read_raw(file: File) -> Iterator[bytes]:
    """The bytes of a file as they are. Raises OSError."""
    descriptor = _open(file)
    try:
        while data := os.read(descriptor, BLOCK_BYTES):
            yield data
    finally:
        os.close(descriptor)


def _open(file: File) -> int:
    descriptor = os.open(file.path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file any more")
    return descriptor
