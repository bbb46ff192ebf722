"""A PostgreSQL of the test's own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER = "postgres"
"""Who runs it if we are root, as whom it refuses to run."""


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def why_no_postgres() -> str | None:
    """What is lacking."""
    return None if _programs() else "PostgreSQL is missing: run script/install-test-programs"


@contextmanager
def postgres() -> Iterator[str]:
    """Start one; gives the URL of an empty database."""
    programs = _programs()
    assert programs is not None
    folder = tempfile.mkdtemp(prefix="ranklog-postgres-")  # its socket's path must be short
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if os.getuid() == 0:
        os.chown(folder, pwd.getpwnam(OWNER).pw_uid, -1)
    settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        _run(programs / "initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "ranklog")
        _run(programs / "pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", settings, "-w", "start")
        try:
            yield f"postgresql+psycopg://ranklog@127.0.0.1:{port}/postgres"
        finally:
            _run(programs / "pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: Path, *words: str) -> None:
    as_owner = ["runuser", "-u", OWNER, "--"] if os.getuid() == 0 else []
    subprocess.run([*as_owner, str(program), *words], stdout=subprocess.DEVNULL, timeout=120, check=True, cwd="/")
