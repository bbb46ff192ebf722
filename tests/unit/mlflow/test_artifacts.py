"""Artifacts go where they should, and nowhere else."""

import os

import pytest

from ranklog.mlflow_api.errors import MlflowError
from ranklog_collector.mlflow.artifacts import Upload, listed, opened, parts_of, remove


@pytest.fixture
def base(tmp_path):
    return str(tmp_path / "outputs")


def put(base, path, data=b"x"):
    upload = Upload(base, parts_of(path), f"{base}/../incoming")
    try:
        upload.write(data)
        upload.publish()
    finally:
        upload.close()


def content(base, path):
    file = opened(base, parts_of(path))
    try:
        return os.pread(file, 100, 0)
    finally:
        os.close(file)


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a/\0", "a\\b", "a" * 300, "/".join("a" * 50)])
def test_a_path_that_leads_out_is_refused(path):
    with pytest.raises(MlflowError, match="Invalid path"):
        parts_of(path)


def test_an_artifact_comes_back(base):
    put(base, "a/b/c.txt", b"one")
    put(base, "a/b/c.txt", b"two")
    assert content(base, "a/b/c.txt") == b"two"
    assert [(one.name, one.size) for one in listed(base, [])] == [("a", None)]
    assert [(one.name, one.size) for one in listed(base, ["a", "b"])] == [("c.txt", 3)]
    assert listed(base, ["a", "b", "c.txt"]) == []
    assert listed(base, ["nothing"]) == []


def test_an_upload_that_breaks_off_leaves_nothing(base, tmp_path):
    upload = Upload(base, ["x"], str(tmp_path / "incoming"))
    upload.write(b"half")
    upload.close()
    assert os.listdir(tmp_path / "incoming") == []
    with pytest.raises(MlflowError) as caught:
        opened(base, ["x"])
    assert caught.value.status == 404


def test_links_are_not_followed(base, tmp_path):
    put(base, "x", b"in")
    (tmp_path / "secret").write_text("s")
    os.symlink(tmp_path / "secret", f"{base}/file")
    os.symlink(tmp_path, f"{base}/folder")
    for path in ("file", "folder/secret"):
        with pytest.raises(MlflowError):
            content(base, path)
    with pytest.raises(MlflowError):
        put(base, "folder/new")
    with pytest.raises(MlflowError):
        remove(base, ["folder", "secret"])
    remove(base, ["folder"])
    put(base, "file", b"new")
    assert (tmp_path / "secret").read_text() == "s"
    assert [one.name for one in listed(base, [])] == ["file", "x"]


def test_a_file_is_no_folder(base):
    put(base, "a", b"1")
    put(base, "b/c", b"1")
    with pytest.raises(MlflowError) as caught:
        put(base, "a/b")
    assert caught.value.status == 400
    with pytest.raises(MlflowError) as caught:
        put(base, "b")
    assert caught.value.status == 400
    with pytest.raises(MlflowError):
        put(base, "")


def test_what_is_removed_is_gone(base):
    put(base, "a/b/c")
    remove(base, ["a"])
    assert listed(base, []) == []
    with pytest.raises(MlflowError):
        remove(base, ["a"])
    with pytest.raises(MlflowError):
        remove(base, [])
