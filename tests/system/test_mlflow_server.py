"""An unmodified MLflow client at a collector: what it logs is a run like any other, and what it reads is right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.collector_process import CollectorProcess
from tests.support.http_api import Api, api_of
from tests.support.launchers import REPOSITORY, VENVS
from tests.support.pipeline import wait_until
from tests.support.postgres import postgres, why_no_postgres
from tests.support.ranklog_run import python, ranklog_run
from tests.system.conftest import require

PROGRAMS = REPOSITORY / "tests" / "programs"
TIMEOUT_S = 180


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    collector = CollectorProcess(tmp_path, None, "--http", "127.0.0.1:0")
    collector.start()
    yield collector
    collector.kill()


@pytest.fixture
def api(collector: CollectorProcess) -> Api:
    api = api_of(collector.log)
    api.await_answer()
    return api


def uri_of(api: Api) -> str:
    return f"http://{api.host}:{api.port}"


def client(venv: str, api: Api, *arguments: str, program: str = "mlflow_client.py") -> Any:
    """What a program in a venv prints."""
    path = VENVS / venv / "bin" / "python"
    require(None if path.exists() else f"{path} is missing: run script/install-test-programs")
    done = subprocess.run(
        [str(path), str(PROGRAMS / program), uri_of(api), *arguments],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def call(api: Api, path: str, **members: Any) -> Any:
    """Post a request, which must succeed."""
    answer = post(api, path, json.dumps(members).encode())
    assert answer[0] == 200, answer
    return answer[1]


def post(api: Api, path: str, body: bytes, kind: str = "application/json") -> tuple[int, Any]:
    from http.client import HTTPConnection

    connection = HTTPConnection(api.host, api.port, timeout=30)
    try:
        connection.request("POST", f"/api/2.0/mlflow/{path}", body, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def get(api: Api, path: str) -> Any:
    answer = api.get(f"//api/2.0/mlflow/{path}")
    assert answer.status == 200, answer.body
    return answer.json()


def common(found: Any) -> None:
    """What every client reads back."""
    metrics = found["metrics"]
    assert metrics["number"] == "0.5"
    assert metrics["truth"] == "1.0"
    assert metrics["loop"] == "16.0"
    assert (metrics["a"], metrics["b"], metrics["c"], metrics["later"]) == ("1.0", "nan", "inf", "2.5")
    assert (metrics["my_metric"], metrics["my_boolean"], metrics["sample_metric"]) == ("1.0", "0.0", "4.0")
    assert found["sample"] == [1, 2, 3, 4]
    assert found["loop"] == [[step, float(step * step)] for step in range(5)]
    assert found["batch"] == 2500
    assert found["params"] == {"rate": "0.1", "layers": "3", "name": 6000, "p": "1"}
    assert found["tags"]["stage"] == "two"
    assert "gone" not in found["tags"]
    assert found["tags"]["mlflow.note.content"] == "what it is"
    assert found["status"] == "FINISHED"
    assert {"texts/hello.txt", "config.json"} <= set(found["files"])
    assert (found["text"], found["string"], found["config"]) == ("hello\n", "foo", {"a": [1, 2]})
    assert set(found["images"]) <= set(found["files"])
    assert all(found["images"].values()), found["images"]
    assert sum(one.startswith("images/grid") for one in found["files"]) == 2
    assert min(found["figure"]) > 100
    assert found["found"] == ["parent"]
    assert found["without"] == ["failed", "child"]
    assert found["failed"] == ["failed"]
    assert found["nested"] == {"parent": found["run_id"]}
    assert "Changing param values is not allowed" in found["conflict"]
    assert found["experiment"] == ["Sweep: α/β", {"team": "vision"}]


def test_all_that_a_client_logs_is_a_run_like_any_other(collector: CollectorProcess, api: Api) -> None:
    found = client("mlflow", api)
    common(found)
    assert "table.json" in found["files"]
    assert found["datasets"] == ["rows"]
    run = api.json(f"/runs/{found['run_id']}")
    assert (run["state"], run["display_name"], run["params"]["layers"]) == ("completed", "parent", "3")
    assert run["tags"]["stage"] == "two"
    metrics = {one["key"]: one for one in api.json(f"/runs/{found['run_id']}/metrics")["metrics"]}
    assert metrics["loop"]["count"] == 5
    assert metrics["batch"]["count"] == 2500
    paths = [one["path"] for one in api.json(f"/runs/{found['run_id']}/files")["files"]]
    assert {f"outputs/{one}" for one in found["files"]} == set(paths)
    states = {one["display_name"]: one["state"] for one in api.json("/runs")["runs"]}
    assert states == {"parent": "completed", "child": "completed", "failed": "failed"}
    words = ["-m", "ranklog", "verify", "--root", str(collector.root), found["run_id"]]
    verified = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout


def test_the_skinny_client_does_as_well(api: Api) -> None:
    common(client("mlflow-skinny", api))


def test_autologging_needs_no_change(api: Api) -> None:
    run_id = client("mlflow", api, program="mlflow_autolog.py")
    keys = {one["key"] for one in api.json(f"/runs/{run_id}/metrics")["metrics"]}
    assert {"training_accuracy_score", "training_log_loss"} <= keys
    paths = [one["path"] for one in api.json(f"/runs/{run_id}/files")["files"]]
    assert any(one.startswith("outputs/models/m-") and one.endswith("/MLmodel") for one in paths)


def test_what_was_answered_outlives_the_server_and_the_catalog(collector: CollectorProcess, api: Api) -> None:
    run_id = call(api, "runs/create", experiment_id="0", run_name="r", start_time=1)["run"]["info"]["run_id"]
    for step in range(20):
        call(api, "runs/log-metric", run_id=run_id, key="m", value=step, timestamp=step, step=step)
    call(api, "runs/log-batch", run_id=run_id, params=[{"key": "p", "value": "1"}], tags=[{"key": "t", "value": "x"}])
    call(api, "runs/update", run_id=run_id, status="FAILED", end_time=99)
    (child,) = psutil.Process(collector.pid).children()
    os.kill(child.pid, signal.SIGKILL)
    for path in (collector.root / ".ranklog-catalog").iterdir():
        path.unlink()
    wait_until(lambda: (collector.log.read_text().count("ended with SIGKILL")) == 1, "it is noticed")
    api.await_answer()
    run = get(api, f"runs/get?run_id={run_id}")["run"]
    assert run["data"]["metrics"] == [{"key": "m", "value": 19.0, "timestamp": 19, "step": 19}]
    assert run["data"]["params"] == [{"key": "p", "value": "1"}]
    assert {"key": "t", "value": "x"} in run["data"]["tags"]
    assert (run["info"]["status"], run["info"]["end_time"], run["info"]["run_name"]) == ("FAILED", 99, "r")
    wait_until(
        lambda: call(api, "runs/search", experiment_ids=["0"], filter="metrics.m > 18").get("runs"), "it is searchable"
    )


def test_a_job_is_found_and_added_to_but_its_launcher_says_how_it_is(tmp_path: Path, api: Api) -> None:
    script = "from ranklog import Run; run = Run.get_context(); run.log('loss', 0.5, step=3); run.tag('who', 'me')"
    done = ranklog_run(tmp_path, "--experiment", "jobs", "--", *python(script))
    assert done.code == 0, done.err
    job = done.run.run_id

    def found() -> Any:
        experiments = call(api, "experiments/search", max_results=10).get("experiments", [])
        ids = [one["experiment_id"] for one in experiments if one["name"] == "jobs"]
        return ids and call(api, "runs/search", experiment_ids=ids, filter="metrics.loss = 0.5").get("runs")

    wait_until(found, "the job is searchable")
    (run,) = found()
    assert (run["info"]["run_id"], run["info"]["status"]) == (job, "FINISHED")
    assert run["data"]["metrics"][0]["step"] == 3
    assert {"key": "who", "value": "me"} in run["data"]["tags"]
    call(api, "runs/update", run_id=job, status="RUNNING")
    call(api, "runs/log-metric", run_id=job, key="later", value=1, timestamp=5)
    call(api, "runs/set-tag", run_id=job, key="review", value="good")
    run = get(api, f"runs/get?run_id={job}")["run"]
    assert run["info"]["status"] == "FINISHED"
    assert {one["key"] for one in run["data"]["metrics"]} == {"loss", "later"}
    assert api.json(f"/runs/{job}")["tags"] == {"who": "me", "review": "good"}
    assert api.json(f"/runs/{job}")["state"] == "completed"


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("runs/log-metric", b"{", "INVALID_PARAMETER_VALUE"),
        ("runs/log-metric", b"[1]", "INVALID_PARAMETER_VALUE"),
        ("runs/log-metric", b'{"run_id":"nothing","key":"a","value":1,"timestamp":1}', "RESOURCE_DOES_NOT_EXIST"),
        ("runs/get-nothing", b"{}", "ENDPOINT_NOT_FOUND"),
        ("runs/create", b'{"experiment_id":"77"}', "RESOURCE_DOES_NOT_EXIST"),
        ("runs/create", b'{"experiment_id":"../x"}', "INVALID_PARAMETER_VALUE"),
        ("runs/search", b'{"experiment_ids":["0"],"filter":"1=1 OR 1"}', "INVALID_PARAMETER_VALUE"),
        ("runs/search", b'{"experiment_ids":["0"],"page_token":"x"}', "INVALID_PARAMETER_VALUE"),
        ("runs/set-tag", b'{"run_id":"../../x","key":"a","value":"b"}', "RESOURCE_DOES_NOT_EXIST"),
        ("runs/set-tag", b'{"run_id":"a\\u0000","key":"a","value":"b"}', "INVALID_PARAMETER_VALUE"),
        ("runs/search", b'{"experiment_ids":["0"],"filter":"params.a = \'\\u0000\'"}', "INVALID_PARAMETER_VALUE"),
        ("runs/set-tag", b'{"run_id":"x","key":"\\ud800","value":"b"}', "INVALID_PARAMETER_VALUE"),
        ("experiments/create", b'{"name":"Default"}', "RESOURCE_ALREADY_EXISTS"),
    ],
)
def test_faults_are_answered_in_mlflows_form(api: Api, path: str, body: bytes, code: str) -> None:
    status, answer = post(api, path, body)
    assert 400 <= status < 500
    assert answer["error_code"] == code
    assert answer["message"]


def test_other_content_is_refused_and_bare_nan_taken(api: Api) -> None:
    assert post(api, "runs/log-metric", b"key=a", "application/x-www-form-urlencoded")[0] == 400
    run_id = call(api, "runs/create", experiment_id="0")["run"]["info"]["run_id"]
    body = b'{"run_id":"%s","key":"a","value":NaN,"timestamp":1}' % run_id.encode()
    assert post(api, "runs/log-metric", body) == (200, {})
    assert get(api, f"metrics/get-history?run_id={run_id}&metric_key=a")["metrics"][0]["value"] == "NaN"


def test_a_batch_is_taken_whole_or_not_at_all(api: Api) -> None:
    run_id = call(api, "runs/create", experiment_id="0")["run"]["info"]["run_id"]
    call(api, "runs/log-parameter", run_id=run_id, key="p", value="1")
    body = {
        "run_id": run_id,
        "metrics": [{"key": "m", "value": 1, "timestamp": 1}],
        "params": [{"key": "p", "value": "2"}],
    }
    assert post(api, "runs/log-batch", json.dumps(body).encode())[0] == 400
    data = get(api, f"runs/get?run_id={run_id}")["run"]["data"]
    assert (data["metrics"], data["params"]) == ([], [{"key": "p", "value": "1"}])


def test_the_catalog_may_be_in_postgresql_and_be_changed_at_any_time(tmp_path: Path) -> None:
    require(why_no_postgres())
    with postgres() as url:
        collector = CollectorProcess(tmp_path, None, "--http", "127.0.0.1:0", "--catalog", url)
        collector.start()
        try:
            api = api_of(collector.log)
            api.await_answer()
            found = client("mlflow", api)
            common(found)
        finally:
            collector.kill()
        assert not (collector.root / ".ranklog-catalog").exists()
    later = CollectorProcess(tmp_path, None, "--http", "127.0.0.1:0")
    later.start()
    try:
        api = api_of(later.log)
        api.await_answer()
        (one,) = (
            one for one in call(api, "experiments/search", max_results=10)["experiments"] if one["name"] != "Default"
        )
        assert one["name"] == "Sweep: α/β"

        def names() -> set[str]:
            asked = {"experiment_ids": [one["experiment_id"]], "filter": "attributes.status != 'RUNNING'"}
            return {run["info"]["run_name"] for run in call(api, "runs/search", **asked).get("runs", [])}

        wait_until(lambda: names() == {"parent", "child", "failed"}, "the new catalog knows all runs")
    finally:
        later.kill()


def test_who_has_no_token_is_told_so_in_mlflows_form(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    collector = CollectorProcess(tmp_path, None, "--http", "127.0.0.1:0", "--token-file", str(tmp_path / "token"))
    collector.start()
    try:
        api = api_of(collector.log)
        api.await_answer()
        assert post(api, "runs/search", b"{}")[0] == 401
        assert post(api, "runs/search", b"{}")[1]["error_code"] == "UNAUTHENTICATED"
        answer = api.get("//api/2.0/mlflow/experiments/search?max_results=1", authorization="Bearer secret")
        assert [one["name"] for one in answer.json()["experiments"]] == ["Default"]
        assert api.get("//health").body == b"OK"
    finally:
        collector.kill()


def test_folders_that_hold_no_runs_are_left_alone(collector: CollectorProcess, api: Api) -> None:
    (collector.root / "notes").mkdir()
    found = call(api, "experiments/search", max_results=10)["experiments"]
    assert [one["name"] for one in found] == ["Default"]
    assert list((collector.root / "notes").iterdir()) == []


@pytest.mark.parametrize("path", ["..%2f..%2fsecret", "%2fetc%2fpasswd", "0/x/artifacts/..%2f..%2f..%2fsecret"])
def test_artifacts_lead_nowhere_else(collector: CollectorProcess, api: Api, path: str) -> None:
    (collector.root.parent / "secret").write_text("s")
    assert api.get(f"//api/2.0/mlflow-artifacts/artifacts/{path}").status in (400, 404)
    assert api.get(f"//api/2.0/mlflow-artifacts/artifacts/{path}", "DELETE").status in (400, 404)
    assert (collector.root.parent / "secret").read_text() == "s"
