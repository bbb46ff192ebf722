"""Sealing changes no answer, whatever is found in the folder of segments and wherever a sealer was killed."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranklog_collector.core import journal
from ranklog_collector.reading.folder import ReadingError, RunFolder
from ranklog_collector.series import points, seal
from ranklog_collector.series.read import aggregate, catalog, facts, records, series
from tests.unit.series.conftest import Job

VALUES: list[Any] = [1, 2.5, True, None, "text", {"f": "nan"}, {"f": "-inf"}, 2**60 + 1]


def answers(job: Job) -> list[Any]:
    """Everything that can be asked of a run with a metric x, by a process that remembers nothing."""
    points._open.clear()
    return live_answers(job)


def live_answers(job: Job) -> list[Any]:
    folder = job.open()
    found = aggregate(folder, "x")
    columns = [getattr(found, name).tolist() for name in ("x", "count", "min", "mean", "max", "p50", "min_rank")]
    lines = [(one.rank, one.step.tolist(), one.value.tolist(), one.total) for one in series(folder, "x")]
    return [repr(one) for one in (catalog(folder), records(folder).records, columns, lines, facts(folder))]


def fill(job: Job, keys: list[str], begin: int, count: int) -> None:
    for key in keys:
        for number in range(begin, begin + count):
            job.log(key, at=number, k="x", v=VALUES[number % len(VALUES)], s=number)
            job.log(key, at=number, m={"y": number, "z": 0.5}, r="r1.child")
            job.log(key, at=number, tag={"a": str(number)})


def folder_of_segments(job: Job) -> Path:
    return job.writer.folder / ".ranklog/derived/series"


def names(job: Job) -> list[str]:
    return sorted(str(path.relative_to(folder_of_segments(job))) for path in folder_of_segments(job).rglob("*.parquet"))


def test_sealed_and_hot_points_answer_alike(job: Job) -> None:
    keys = [job.rank(0), job.rank(1)]
    for round_ in range(6):
        fill(job, keys, 10 * round_, 10)
        before = answers(job)
        assert seal.seal(job.open(), 1) == 2
        assert answers(job) == before
        fill(job, keys, 10 * round_, 1)
        hot = answers(job)
        assert live_answers(job) == hot
    assert 2 <= len(names(job)) <= 10


def test_nothing_is_sealed_before_it_is_enough(job: Job) -> None:
    fill(job, [job.rank(0)], 0, 10)
    assert seal.seal(job.open(), 1 << 20) == 0
    assert not folder_of_segments(job).exists()


def test_a_reader_sees_what_is_sealed_under_its_eyes(job: Job) -> None:
    keys = [job.rank(0)]
    for round_ in range(8):
        fill(job, keys, 5 * round_, 5)
        seen = live_answers(job)
        seal.seal(job.open(), 1)
        assert live_answers(job) == seen
    assert seen == answers(job)


def test_half_a_line_stays_hot(job: Job) -> None:
    key = job.rank(0)
    fill(job, [key], 0, 3)
    job.raw(key, b'{"t":1,"k":"x",')
    before = answers(job)
    seal.seal(job.open(), 1)
    seal.seal(job.open(), 1)
    assert answers(job) == before
    job.raw(key, b'"v":1}\n')
    assert len(records(job.open(), "x").records) == 4


def test_strays_are_ignored_and_removed(job: Job) -> None:
    keys = [job.rank(0)]
    fill(job, keys, 0, 10)
    seal.seal(job.open(), 1)
    (name,) = names(job)
    before = answers(job)
    where = (folder_of_segments(job) / name).parent
    (where / ".0-99.parquet").write_bytes(b"half")
    (where / "7-9.parquet").write_bytes(b"stray")
    (where / "0-999999999.parquet").write_bytes(b"of bytes that are not here")
    assert answers(job) == before
    fill(job, keys, 10, 1)
    seal.seal(job.open(), 1)
    assert all(path.suffix == ".parquet" and path.stat().st_size > 1000 for path in where.iterdir())


@pytest.mark.parametrize("content", [b"", b"PAR1 no file", None])
def test_a_damaged_segment_is_made_anew(job: Job, content: bytes | None) -> None:
    fill(job, [job.rank(0)], 0, 10)
    before = answers(job)
    seal.seal(job.open(), 1)
    path = folder_of_segments(job) / names(job)[0]
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    assert answers(job) == before
    seal.seal(job.open(), 1)
    assert path.stat().st_size > 1000
    assert answers(job) == before


def test_segments_of_bytes_that_were_taken_back_are_void(job: Job) -> None:
    key = job.rank(0)
    fill(job, [key], 0, 5)
    stream = job.raw(key, b"")
    size = job.writer.path(stream).stat().st_size
    fill(job, [key], 5, 5)
    seal.seal(job.open(), 1)
    assert len(records(job.open(), "x").records) == 10
    # The collector falls back; then other bytes come, more than there were.
    job.writer.log(journal.Reset(stream, size))
    os.truncate(job.writer.path(stream), size)
    assert len(records(job.open(), "x").records) == 5
    job.writer._streams[stream].size = size
    segment = job.writer._streams[stream].segment
    assert segment is not None
    segment.size = size
    job.writer._streams[stream].is_extent_open = False
    for number in range(50):
        job.log(key, k="x", v=-1 - number)
    found = [record.value for record in records(job.open(), "x").records]
    assert len(found) == 55
    assert min(one for one in found if isinstance(one, int)) == -50
    assert len(answers(job)[1]) == len(live_answers(job)[1])
    seal.seal(job.open(), 1)
    assert len(records(job.open(), "x").records) == 55


def test_rebuilding_makes_all_segments_anew(job: Job) -> None:
    fill(job, [job.rank(0)], 0, 10)
    before = live_answers(job)
    seal.seal(job.open(), 1)
    assert live_answers(job) == before
    seal.drop(job.open())
    assert names(job) == []
    assert live_answers(job) == before
    assert seal.seal(job.open(), 1) == 1
    assert live_answers(job) == before


def test_only_one_seals_at_a_time(job: Job) -> None:
    fill(job, [job.rank(0)], 0, 1)
    with seal._locked(job.open().path), pytest.raises(seal.BusyError, match="another process"):
        seal.seal(job.open(), 1)


def test_a_link_leads_no_sealer_out_of_the_folder(job: Job, tmp_path: Path) -> None:
    fill(job, [job.rank(0)], 0, 1)
    outside = tmp_path / "outside"
    outside.mkdir()
    (job.writer.folder / ".ranklog/derived").symlink_to(outside)
    with pytest.raises(seal.BusyError):
        seal.seal(job.open(), 1)
    assert not list(outside.rglob("*.parquet"))
    assert len(records(job.open(), "x").records) == 1


def test_a_run_without_points_has_no_metrics(job: Job) -> None:
    job.rank(0)
    assert catalog(job.open()) == []
    assert records(job.open()).records == []
    assert seal.seal(job.open(), 1) == 0


def test_a_stream_whose_file_is_gone_is_left_out(job: Job) -> None:
    key = job.rank(0)
    fill(job, [key], 0, 1)
    os.unlink(job.writer.path(job.raw(key, b"")))
    assert catalog(job.open()) == []
    assert seal.seal(job.open(), 1) == 0


class KilledError(BaseException):
    """As if by SIGKILL: nobody catches it."""


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deaths=st.lists(st.integers(0, 14), max_size=6), again=st.booleans())
def test_a_sealer_killed_anywhere_changes_no_answer(tmp_path: Path, deaths: list[int], again: bool) -> None:
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    job = Job(tmp_path / "run")
    keys = [job.rank(0), job.rank(1)]
    for round_, death in enumerate(deaths):
        fill(job, keys, 4 * round_, 4)
        before = answers(job)
        _seal_and_die(job, death)
        assert answers(job) == before
        if again:
            assert live_answers(job) == before
    if deaths:
        seal.seal(job.open(), 1)
        assert answers(job) == before


def _seal_and_die(job: Job, calls: int) -> None:
    """Seal, but not beyond so many of the system calls that change something."""
    left = calls

    def dying(real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                raise KilledError
            left -= 1
            return real(*arguments, **options)

        return call

    names = ("rename", "unlink", "fsync", "makedirs")
    with mock.patch.multiple(seal.os, **{name: dying(getattr(os, name)) for name in names}), suppress(KilledError):
        seal.seal(job.open(), 1)


def test_a_file_that_cannot_be_read_is_told(job: Job) -> None:
    key = job.rank(0)
    fill(job, [key], 0, 1)
    path = job.writer.path(job.raw(key, b""))
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(ReadingError, match="cannot be read"):
        catalog(job.open())


def test_a_reader_seals_what_is_much_if_nobody_else_will(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "_SEAL_BYTES", 100)
    monkeypatch.setattr(points, "LAST_BYTES", 1)
    fill(job, [job.rank(0)], 0, 10)
    with mock.patch.object(RunFolder, "is_written", property(lambda folder: True)):
        before = answers(job)
        assert not folder_of_segments(job).exists()
    assert answers(job) == before
    assert len(names(job)) == 1


def test_a_segment_that_is_something_else_is_told_with_what_to_do(job: Job) -> None:
    fill(job, [job.rank(0)], 0, 10)
    seal.seal(job.open(), 1)
    path = folder_of_segments(job) / names(job)[0]
    database = duckdb.connect()
    query = f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{path}')"
    found = {name: value for name, value in database.execute(query).fetchall() if name.startswith("ranklog")}
    described = ", ".join(f"'{name}': '{value}'" for name, value in found.items())
    database.execute(f"COPY (SELECT 1 AS other) TO '{path}' (FORMAT parquet, KV_METADATA {{{described}}})")
    with pytest.raises(ReadingError, match="ranklog rebuild"):
        answers(job)


def test_what_was_replaced_stays_until_the_next_or_the_last_sealing(job: Job) -> None:
    keys = [job.rank(0)]
    for round_ in range(2):
        fill(job, keys, 5 * round_, 5)
        seal.seal(job.open(), 1)
    first, both = sorted(names(job), key=len)
    assert both.partition("-")[0] == first.partition("-")[0]
    fill(job, keys, 10, 1)
    seal.seal(job.open(), 1)
    assert first not in names(job)
    fill(job, keys, 11, 20)
    seal.seal(job.open(), 1, is_last=True)
    assert len(names(job)) == 1
