"""Where a node's relay listens is known before there is an agent, and only as long as somebody has its socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ranklog import relay_place
from ranklog.capture import mlflow
from ranklog.layout import relay_path

HERE = "node0"


@contextmanager
def made(folder: Path) -> Iterator[str]:
    listening = relay_place.make(str(folder), HERE)
    try:
        url = relay_place.find(str(folder), HERE)
        assert url is not None
        yield url
    finally:
        os.close(listening)


def test_it_can_be_talked_to_before_anybody_answers(tmp_path: Path) -> None:
    with made(tmp_path) as url, socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")


def test_it_is_again_where_it_was_with_the_same_secret(tmp_path: Path) -> None:
    with made(tmp_path) as first:
        pass
    with made(tmp_path) as second:
        assert second == first


def test_where_the_port_is_taken_there_is_another(tmp_path: Path) -> None:
    with made(tmp_path) as first, made(tmp_path) as second:
        assert urlsplit(second).port != urlsplit(first).port
        assert urlsplit(second).path == urlsplit(first).path


def test_one_whose_processes_are_all_gone_is_none(tmp_path: Path) -> None:
    with made(tmp_path) as url:
        Path(relay_path(str(tmp_path), HERE)).write_text(f"{url} 4194305\n")
        assert relay_place.find(str(tmp_path), HERE) is None
        assert relay_place.join(str(tmp_path), HERE) == url
        assert relay_place.find(str(tmp_path), HERE) == url


@pytest.mark.parametrize("text", ["", "\n", "http://x", "http://x y", "\0\0", "http://x 99999999999999999999"])
def test_nonsense_is_no_relay(tmp_path: Path, text: str) -> None:
    with made(tmp_path):
        Path(relay_path(str(tmp_path), HERE)).write_text(text)
        assert relay_place.find(str(tmp_path), HERE) is None


def test_mlflow_is_sent_to_the_relay_by_the_processs_key(tmp_path: Path) -> None:
    listening = relay_place.make(str(tmp_path), os.uname().nodename)
    try:
        url = relay_place.find(str(tmp_path), os.uname().nodename)
        told = mlflow.environment(str(tmp_path), "0-1-1", "r1", {"RANKLOG_EXPERIMENT": "e", "RANKLOG_URL": "http://c"})
    finally:
        os.close(listening)
    assert told["MLFLOW_TRACKING_URI"] == f"{url}/0-1-1"
    assert told["MLFLOW_EXPERIMENT_NAME"] == "e"
    assert told["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "MLFLOW_RUN_ID" not in told


@pytest.mark.parametrize(("more", "shown"), [({}, "s"), ({"MLFLOW_TRACKING_USERNAME": "me"}, None)])
def test_mlflow_shows_the_users_token_also_to_the_relay_unless_told_otherwise(
    tmp_path: Path, more: dict[str, str], shown: str | None
) -> None:
    listening = relay_place.make(str(tmp_path), os.uname().nodename)
    try:
        told = mlflow.environment(str(tmp_path), "0-1-1", "r1", {"RANKLOG_TOKEN": "s", **more})
    finally:
        os.close(listening)
    assert told.get("MLFLOW_TRACKING_TOKEN") == shown


@pytest.mark.parametrize(("run_id", "told"), [("r1", "r1"), ("r.1", "0123456789abcdef0123456789abcdef")])
def test_without_a_relay_mlflow_is_sent_to_the_collector_and_told_of_the_run(
    tmp_path: Path, run_id: str, told: str
) -> None:
    found = mlflow.environment(str(tmp_path), "0-1-1", run_id, {"RANKLOG_URL": "http://c:1", "RANKLOG_TOKEN": "s"})
    assert found["MLFLOW_TRACKING_URI"] == "http://c:1"
    assert found["MLFLOW_TRACKING_TOKEN"] == "s"
    assert len(found["MLFLOW_RUN_ID"]) == len(told)


@pytest.mark.parametrize("environ", [{}, {"MLFLOW_TRACKING_URI": "x", "RANKLOG_URL": "http://c"}])
def test_mlflow_is_left_alone_without_anything_or_with_an_address_of_the_users(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    assert mlflow.environment(str(tmp_path), "0-1-1", "r1", environ) == {}
