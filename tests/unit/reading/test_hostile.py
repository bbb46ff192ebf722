"""A folder from anywhere, with any journal and any bytes, is read without harm: words at worst, never a crash."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from ranklog_collector.cli.logs import logs
from ranklog_collector.cli.read import files, ps, runs, verify
from ranklog_collector.cli.read import rebuild as rebuild_command
from ranklog_collector.reading import archive
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.reading.rebuild import rebuild
from tests.support.run_writer import RunWriter
from tests.unit.reading.test_folder import eventful

VALUES: list[Any] = [None, True, -1, 0, 7, 1 << 62, (1 << 64) - 1, 1.5, 1e300, "", "x", "\0/../\x1b", [], [[1, 2]], {}]


@contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def read_everything(root: Path, run: RunWriter) -> None:
    folder = str(run.folder)
    for command, *arguments in (
        (runs, "--root", str(root)),
        (ps, folder),
        (ps, folder, "--json"),
        (logs, folder, "--stream", "all", "--time", "local"),
        (logs, folder, "--json", "--since", "+1s"),
        (logs, folder, "--raw", "--tail", "3"),
        (logs, folder, "--grep", "o"),
        (files, folder, "--json"),
        (verify, folder, "--sources"),
        (verify, folder, "--json"),
        (rebuild_command, folder),
    ):
        result = CliRunner().invoke(command, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit), (command.name, result.exception)
        assert result.exit_code in (0, 1), result.output


def changed(line: bytes, field: int, value: Any) -> bytes:
    entry = orjson.loads(line)
    names = [name for name in entry if name != "e"]
    name = names[field % len(names)]
    if isinstance(entry[name], dict) and entry[name]:
        inner = list(entry[name])
        entry[name][inner[field % len(inner)]] = value
    else:
        entry[name] = value
    return orjson.dumps(entry) + b"\n"


CHANGES = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30), st.sampled_from(VALUES)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(CHANGES, st.lists(st.integers(0, 200), max_size=3))
def test_a_journal_with_any_values_and_lines_missing_is_read(
    changes: list[tuple[int, int, Any]], missing: list[int]
) -> None:
    with scratch() as root:
        run = eventful(root / "e" / "r")
        lines = run.journal_path.read_bytes().splitlines(keepends=True)
        for number, field, value in changes:
            number %= len(lines)
            lines[number] = changed(lines[number], field, value)
        kept = [line for number, line in enumerate(lines) if number not in {one % len(lines) for one in missing}]
        run.journal_path.write_bytes(b"".join(kept))
        read_everything(root, run)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=5), st.binary(max_size=300))
def test_a_journal_with_garbage_in_it_is_read(places: list[int], garbage: bytes) -> None:
    with scratch() as root:
        run = eventful(root / "e" / "r")
        lines = run.journal_path.read_bytes().splitlines(keepends=True)
        for place in places:
            lines.insert(place % len(lines), garbage)
        run.journal_path.write_bytes(b"".join(lines))
        read_everything(root, run)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=8))
def test_output_of_any_bytes_is_read_and_raw_gives_it_back(parts: list[bytes]) -> None:
    with scratch() as root:
        run = RunWriter(root / "e" / "r")
        run.rank(0)
        stream = run.output(0)
        for number, part in enumerate(parts):
            run.write(stream, part, at=number)
        read_everything(root, run)
        raw = CliRunner().invoke(logs, [str(run.folder), "--raw"])
        assert raw.stdout_bytes == b"".join(parts)


def test_links_pipes_and_folders_in_place_of_everything_are_survived(tmp_path: Path) -> None:
    run = eventful(tmp_path / "e" / "r")
    for number, stream in enumerate((1, 2, 3)):
        path = run.path(stream)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        [lambda: path.symlink_to("/etc/passwd"), lambda: os.mkfifo(path), path.mkdir][number]()  # noqa: B023 - at once
    (run.folder / "run.json").symlink_to("/dev/zero")
    (run.folder / ".ranklog/lock").symlink_to("/dev/zero")
    (run.folder / "loop").symlink_to(".")
    read_everything(tmp_path, run)
    folder = RunFolder(str(run.folder))
    target = io.BytesIO()
    archive.send(folder, archive.files(folder, with_internal=True), False, target)
    assert b"root:" not in target.getvalue()


def test_a_rebuild_of_a_folder_full_of_links_writes_nothing_outside(tmp_path: Path) -> None:
    run = eventful(tmp_path / "e" / "r")
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "process_status.json").write_text("mine")
    shutil.rmtree(run.folder / "azureml-logs")
    (run.folder / "azureml-logs").symlink_to(victim)
    (run.folder / "run.json").symlink_to(victim / "process_status.json")
    with suppress(ReadingError):
        rebuild(RunFolder(str(run.folder)))
    assert (victim / "process_status.json").read_text() == "mine"
    assert sorted(path.name for path in victim.iterdir()) == ["process_status.json"]
