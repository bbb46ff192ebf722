"""The only way from a name that a remote machine sent to a path below the run folder."""

from __future__ import annotations

import hashlib
import ipaddress
import unicodedata
from collections.abc import Callable

COMPONENT_BYTES_MAX = 200
PATH_BYTES_MAX = 900
DEPTH_MAX = 32

# A run folder may be copied to any machine: what Windows forbids is replaced too.
_FORBIDDEN = frozenset('/\\:*?"<>|')


def safe_component(name: str) -> str:
    """One plain file name, as much like `name` as is safe: never empty, `.` or `..`, at most 200 bytes."""
    plain = "".join("_" if _is_bad(letter) else letter for letter in name).strip(" ").rstrip(". ")
    if len(plain.encode()) > COMPONENT_BYTES_MAX:
        plain = _shortened(plain)
    return plain or "_"


def safe_relative(name: str) -> str:
    """A relative path of plain names, as much like `name` as is safe; it leads nowhere but down."""
    parts = [safe_component(part) for part in name.split("/") if part not in ("", ".")] or ["_"]
    if len(parts) > DEPTH_MAX or len("/".join(parts).encode()) > PATH_BYTES_MAX:
        parts = [parts[0], _digest(name), parts[-1]]
    return "/".join(parts)


def address_component(address: str) -> str:
    """The folder name of a node's address, which must be a valid one."""
    return address.replace(":", "-")


def is_address(component: str) -> bool:
    """Whether this is the folder name of some address."""
    try:
        ipaddress.ip_address(component.replace("-", ":"))
    except ValueError:
        return False
    return True


def numbered(path: str, number: int) -> str:
    """The path with `_<number>` before its suffix."""
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    return f"{folder}{slash}{stem}_{number}{dot}{suffix}" if stem else f"{folder}{slash}{name}_{number}"


class Claims:
    """Which paths of a run folder are taken. Two paths that any file system takes for the same count as the same."""

    def __init__(self, reserved: tuple[str, ...] = ()) -> None:
        self._files: set[str] = set()
        self._folders: dict[str, int] = {}
        for path in reserved:
            self.claim(path)

    def claim(self, path: str) -> str:
        """Take a path, or the next free one like it: `a_2.txt` for `a.txt`; also where a folder's name is a file's."""
        folder = ""
        *folders, name = path.split("/")
        for part in folders:
            folder = _first_free(f"{folder}{part}", lambda one: _same(one) in self._files) + "/"
        free = _first_free(f"{folder}{name}", lambda one: _same(one) in self._files or _same(one) in self._folders)
        self.take(free)
        return free

    def take(self, path: str) -> None:
        """Take exactly this path."""
        same = _same(path)
        if same not in self._files:
            self._files.add(same)
            for above in _folders_of(same):
                self._folders[above] = self._folders.get(above, 0) + 1

    def release(self, path: str) -> None:
        """Give a claimed path back."""
        same = _same(path)
        self._files.discard(same)
        for above in _folders_of(same):
            self._folders[above] -= 1
            if not self._folders[above]:
                del self._folders[above]


def _same(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _folders_of(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _first_free(path: str, is_taken: Callable[[str], bool]) -> str:
    free, number = path, 1
    while is_taken(free):
        number += 1
        free = numbered(path, number)
    return free


def _is_bad(letter: str) -> bool:
    # Not printable: controls, marks that reverse the direction of what follows, lone surrogates.
    return letter in _FORBIDDEN or not letter.isprintable()


def _shortened(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    end = f"~{_digest(name)}" + (f".{suffix}" if stem and dot and len(suffix.encode()) <= 16 else "")
    return name.encode()[: COMPONENT_BYTES_MAX - len(end.encode())].decode(errors="ignore").rstrip(". ") + end


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]
