"""Which runs are read: a collector's, those in a folder, or what is still in this node's spool."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import cast

from ranklog.errors import UnreachableError
from ranklog.identity import setting
from ranklog.source.protocol import Source

GROUP = "ranklog.sources"
FOLDER = "folder"
"""The entry point, brought by the collector's package, that makes a source of a root folder."""
DEFAULT_ROOT = "ranklog-runs"


def choose(
    environ: Mapping[str, str], *, url: str | None = None, root: str | None = None, token: str | None = None
) -> Source:
    """Give what is named here, else what the environment names: RANKLOG_URL, else RANKLOG_ROOT, else ./ranklog-runs.

    Raises UnreachableError if run folders cannot be read because the collector's package is not installed.
    """
    if url is None and root is None:
        url = setting(environ, "RANKLOG_URL")
    if url:
        from ranklog.source.http import HttpSource

        return HttpSource(url, token or setting(environ, "RANKLOG_TOKEN"))
    return folder(root or root_folder(environ))


def root_folder(environ: Mapping[str, str]) -> str:
    """The folder in which runs are kept here: RANKLOG_ROOT, else ./ranklog-runs."""
    return os.path.abspath(setting(environ, "RANKLOG_ROOT") or DEFAULT_ROOT)


def folder(root: str) -> Source:
    """Give the runs in a folder. Raises UnreachableError if the package that reads them is not installed."""
    entry = next(iter(entry_points(group=GROUP, name=FOLDER)), None)
    try:
        if entry is None:
            raise ImportError("no package brings it")
        make = cast(Callable[[str], Source], entry.load())
    except ImportError as error:
        raise UnreachableError(
            f"the runs in {root} cannot be read: {error}; pip install 'ranklog[collector]', "
            "or set RANKLOG_URL to the address of a collector"
        ) from error
    return make(os.path.abspath(root))
