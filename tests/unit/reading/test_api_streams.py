"""Runs that came by REST are read like any other, from their folders."""

import orjson
import pytest

from ranklog_collector.core import journal
from ranklog_collector.reading.folder import RunFolder
from ranklog_collector.reading.runs import find_runs, overview
from ranklog_collector.reading.verify import verify
from ranklog_collector.series.read import catalog, facts


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "tuning" / "abc"
    (folder / ".ranklog/journal").mkdir(parents=True)
    (folder / ".ranklog/metrics/api").mkdir(parents=True)
    begin = journal.Run(1, "abc", "tuning", 1_700_000_000_000_000_000, "api")
    (folder / ".ranklog/journal/events.jsonl").write_bytes(journal.dump(begin))
    return folder


def add(run, *lines, number=1):
    with (run / f".ranklog/metrics/api/{number}.jsonl").open("ab") as file:
        file.writelines(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def test_what_came_by_rest_is_read_as_it_grows(run):
    folder = RunFolder(str(run))
    assert not folder.refresh()
    add(run, {"t": 1, "k": "loss", "v": 0.5, "s": 1}, {"t": 2, "tag": {"team": "a"}})
    assert folder.refresh()
    add(run, {"t": 3, "k": "loss", "v": 0.25, "s": 2})
    assert folder.refresh()
    assert not folder.refresh()
    assert [(one.key, one.count, one.last) for one in catalog(folder)] == [("loss", 2, 0.25)]
    assert facts(folder).tags == {"team": "a"}


def test_a_run_by_rest_is_running_until_its_state_says_otherwise(run):
    entry = find_runs(str(run.parent.parent))[0]
    assert overview(entry).state == "running"
    assert overview(entry).nodes == 0
    with (run / ".ranklog/journal/events.jsonl").open("ab") as file:
        file.write(journal.dump(journal.State("completed", 1_700_000_001_000_000_000)))
    assert overview(entry).state == "completed"


def test_readers_seal_what_came_by_rest(run, monkeypatch):
    monkeypatch.setattr("ranklog_collector.series.points._SEAL_BYTES", 200)
    monkeypatch.setattr("ranklog_collector.series.points.LAST_BYTES", 200)
    folder = RunFolder(str(run))
    for step in range(3):
        add(run, {"t": step, "k": "loss", "v": 0.5, "s": step})
        folder.refresh()
        assert catalog(folder)[0].count == step + 1
    add(run, *({"t": step, "k": "loss", "v": 0.25, "s": step} for step in range(3, 20)))
    folder.refresh()
    assert catalog(folder)[0].count == 20
    assert catalog(folder)[0].last == 0.25
    assert list((run / ".ranklog/derived/series").glob("*/*.parquet"))


def test_only_files_with_a_number_for_a_name_are_streams(run):
    for name in ("a.jsonl", "01.jsonl", "1.txt", "².jsonl", "99999999999.jsonl"):
        (run / ".ranklog/metrics/api" / name).write_text('{"t":1,"k":"loss","v":1}\n')
    (run / ".ranklog/metrics/api/2.jsonl").symlink_to("a.jsonl")
    (run / ".ranklog/metrics/api/3.jsonl").mkdir()
    assert RunFolder(str(run)).state.streams == {}


def test_a_run_by_rest_is_intact(run):
    add(run, {"t": 1, "k": "loss", "v": 0.5, "s": 1})
    report = verify(RunFolder(str(run)))
    assert report.is_intact
    assert report.notes == []
