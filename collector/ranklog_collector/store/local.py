"""A run folder on a local (or mounted) file system.

Folders are walked one name at a time without following symbolic links, so that nothing that somebody has put into the
run folder can lead a write out of it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from ranklog_collector.errors import StoreError, StoreFullError, StoreLockedError, StoreUnwritableError
from ranklog_collector.store.durable import Durability
from ranklog_collector.store.open_files import OpenFiles

LOCK = ".ranklog/lock"
PUTTING = ".ranklog/putting"
"""Where files that replace others are made."""
BUFFERS_MAX = 1024
"""How many buffers one writev takes (IOV_MAX)."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO under the name of a file must not hold the opening thread for ever.
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PASSING = (errno.ENOSPC, errno.EDQUOT)


class LocalStore:
    """One run folder below `root`, which is made if it is missing."""

    def __init__(self, root: str, files: OpenFiles, durability: Durability) -> None:
        self._root = os.path.abspath(root)
        self._files = files
        self._durability = durability
        self._renamed_in: set[str] = set()
        self._renamed_lock = threading.Lock()
        self._locked: int | None = None
        with _translated("open", self._root):
            os.makedirs(self._root, exist_ok=True)
            self._folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def append(self, path: str, offset: int, *data: bytes | memoryview) -> None:
        """See Store."""
        opened = self._files.use((self._root, path), partial(self._open_or_make, path))
        with _translated("write", path), opened as descriptor:
            for start in range(0, len(data), BUFFERS_MAX):
                offset = _write_all(descriptor, offset, list(data[start : start + BUFFERS_MAX]))

    def sync(self, paths: Iterable[str]) -> None:
        """See Store."""
        with self._renamed_lock:
            folders, self._renamed_in = self._renamed_in, set()
        calls: list[Callable[[], None]] = [partial(self._sync_file, path) for path in paths]
        calls += [partial(self._sync_folder, folder) for folder in folders]
        try:
            with _translated("sync", self._root):
                self._durability.sync(calls, self._folder)
        except StoreError:
            self._note_renamed(*folders)
            raise

    def truncate(self, path: str, size: int) -> None:
        """See Store."""
        with _translated("cut", path), suppress(FileNotFoundError):
            with self._folder_of(path) as (folder, name):
                descriptor = os.open(name, _FILE | os.O_WRONLY, dir_fd=folder)
            try:
                if os.fstat(descriptor).st_size > size:
                    os.ftruncate(descriptor, size)
            finally:
                os.close(descriptor)

    def rename(self, source: str, target: str) -> bool:
        """See Store; folders that this leaves empty are removed."""
        with _translated("rename", source):
            try:
                self._rename(source, target)
            except FileNotFoundError:
                return False
        self._files.forget((self._root, source), (self._root, target))
        self._note_renamed(_parent(source), _parent(target))
        self._prune(_parent(source))
        return True

    def put(self, path: str, data: bytes) -> None:
        """See Store."""
        temporary = f"{PUTTING}/{path.replace('/', '-')}"
        with _translated("write", path):
            try:
                self._write_anew(temporary, data)
                self._rename(temporary, path)
            except OSError:
                self.remove(temporary)
                raise
        self._files.forget((self._root, path))
        self._note_renamed(_parent(path))

    def size(self, path: str) -> int | None:
        """See Store."""
        with _translated("read", path), suppress(FileNotFoundError):
            with self._folder_of(path) as (folder, name):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                return found.st_size
        return None

    def read(self, path: str, offset: int, length: int) -> bytes:
        """See Store."""
        with _translated("read", path), suppress(FileNotFoundError):
            with self._folder_of(path) as (folder, name):
                descriptor = _regular(os.open(name, _FILE | os.O_RDONLY, dir_fd=folder))
            try:
                return _read_all(descriptor, offset, length)
            finally:
                os.close(descriptor)
        return b""

    def list(self, folder: str = "") -> list[str]:
        """See Store; what is not a regular file is left out, and so is the lock."""
        found: list[str] = []
        with _translated("list", folder or self._root):
            top = os.path.join(self._root, folder) if folder else self._root
            for where, _, names in os.walk(top):
                inside = os.path.relpath(where, self._root)
                for name in names:
                    path = name if inside == "." else f"{inside}/{name}"
                    if path != LOCK and stat.S_ISREG(os.lstat(os.path.join(where, name)).st_mode):
                        found.append(path)
        return sorted(found)

    def remove(self, path: str) -> None:
        """See Store; folders that this leaves empty are removed."""
        with _translated("remove", path), suppress(FileNotFoundError), self._folder_of(path) as (folder, name):
            os.unlink(name, dir_fd=folder)
        self._files.forget((self._root, path))
        self._prune(_parent(path))

    def lock(self) -> None:
        """See Store."""
        with _translated("lock", LOCK), self._folder_of(LOCK, create=True) as (folder, name):
            descriptor = os.open(name, _FILE | os.O_RDWR | os.O_CREAT, 0o644, dir_fd=folder)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise StoreLockedError(f"another collector writes {self._root}; stop it first") from None
        self._locked = descriptor

    def close(self) -> None:
        """See Store."""
        self._files.forget_root(self._root)
        if self._locked is not None:
            os.close(self._locked)
            self._locked = None
        os.close(self._folder)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _open(self, path: str) -> int:
        with self._folder_of(path) as (folder, name):
            descriptor = os.open(name, _FILE | os.O_RDWR, dir_fd=folder)
        return _regular(descriptor)

    def _open_or_make(self, path: str) -> int:
        try:
            return self._open(path)
        except FileNotFoundError:
            with self._folder_of(path, create=True) as (folder, name):
                descriptor = os.open(name, _FILE | os.O_RDWR | os.O_CREAT, 0o644, dir_fd=folder)
            self._note_renamed(_parent(path))
            return _regular(descriptor)

    def _write_anew(self, path: str, data: bytes) -> None:
        with self._folder_of(path, create=True) as (folder, name):
            descriptor = os.open(name, _FILE | os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644, dir_fd=folder)
        try:
            _write_all(descriptor, 0, [data])
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def _rename(self, source: str, target: str) -> None:
        with self._folder_of(source) as (old, old_name), self._folder_of(target, create=True) as (new, new_name):
            os.rename(old_name, new_name, src_dir_fd=old, dst_dir_fd=new)

    @contextmanager
    def _folder_of(self, path: str, create: bool = False) -> Iterator[tuple[int, str]]:
        *folders, name = path.split("/")
        descriptor = os.dup(self._folder)
        try:
            for depth, folder in enumerate(folders):
                try:
                    below = os.open(folder, _FOLDER, dir_fd=descriptor)
                except FileNotFoundError:
                    if not create:
                        raise
                    with suppress(FileExistsError):
                        os.mkdir(folder, 0o755, dir_fd=descriptor)
                    self._note_renamed("/".join(folders[:depth]))
                    below = os.open(folder, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor, name
        finally:
            os.close(descriptor)

    def _note_renamed(self, *folders: str) -> None:
        with self._renamed_lock:
            self._renamed_in.update(folders)

    def _sync_file(self, path: str) -> None:
        with self._files.use((self._root, path), partial(self._open, path)) as descriptor:
            os.fdatasync(descriptor)

    def _sync_folder(self, folder: str) -> None:
        # It may have been emptied and removed since.
        with suppress(FileNotFoundError), self._folder_of(f"{folder}/." if folder else ".") as (descriptor, _):
            os.fsync(descriptor)

    def _prune(self, folder: str) -> None:
        while folder:
            try:
                with self._folder_of(folder) as (parent, name):
                    os.rmdir(name, dir_fd=parent)
            except OSError:  # not empty
                return
            folder = _parent(folder)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _write_all(descriptor: int, offset: int, buffers: list[bytes | memoryview]) -> int:
    """Write buffers behind each other, however little the kernel takes at a time; returns the offset behind them."""
    while buffers:
        written = os.pwritev(descriptor, buffers, offset)
        offset += written
        while buffers and written >= len(buffers[0]):
            written -= len(buffers.pop(0))
        if buffers and written:
            buffers[0] = memoryview(buffers[0])[written:]
    return offset


def _read_all(descriptor: int, offset: int, length: int) -> bytes:
    parts: list[bytes] = []
    while length > 0:
        part = os.pread(descriptor, min(length, 1 << 24), offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
        length -= len(part)
    return b"".join(parts)


def _regular(descriptor: int) -> int:
    """The descriptor, if it is of a regular file; else it is closed."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file")
    return descriptor


@contextmanager
def _translated(verb: str, path: str) -> Iterator[None]:
    """Turn the file system's errors into our own."""
    try:
        yield
    except OSError as error:
        reason = "a symbolic link is in the way" if error.errno in (errno.ELOOP, errno.ENOTDIR) else error.strerror
        kind = StoreFullError if error.errno in _PASSING else StoreUnwritableError
        raise kind(f"cannot {verb} {path}: {reason}") from error
