"""A tracking server under MLflow's clients, and under requests that were encoded before; beside MLflow's own server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from bench import contest, mlflow_rival, rivals
from bench.command import run
from bench.figures import Figures, machine, medians, ratio, tell
from bench.processes import BenchError, Process, children, proportional_mib

TIMEOUT_S = 600.0
CLIENTS = 8
BATCH = 1000
PAGE = 25_000
HISTORY_BATCHES = 100
CALLS = {"ranklog": (1000, 20), "mlflow": (40, 4)}
"""Of each client: single calls and batches."""


def main() -> None:
    """Measure and tell."""
    asked = contest.options("mlflow_server", __doc__, CALLS, 3)
    mlflow_rival.check_installed()
    rounds = contest.held(asked, asked.only, lambda name: _measured(name, asked.share))
    fields = list(rounds["ranklog"][0]) if {"ranklog", "mlflow"} <= rounds.keys() else []
    faster = [name for name in fields if name.endswith("_per_s")]
    shorter = [name for name in fields if name.endswith(("_s", "_ms", "_mib")) and name not in faster]
    tell(
        {
            **machine("mlflow_server"),
            "rounds": asked.rounds,
            **{name: medians(found) for name, found in rounds.items()},
            **{f"times_{name}": ratio(rounds, "ranklog", "mlflow", name) for name in faster},
            **{f"times_{name}": ratio(rounds, "mlflow", "ranklog", name) for name in shorter},
        }
    )


def _measured(name: str, share: float) -> Figures:
    singles, batches = (max(1, round(share * count)) for count in CALLS[name])
    with (
        tempfile.TemporaryDirectory(prefix="ranklog-bench-", ignore_cleanup_errors=True) as folder,
        SERVERS[name](folder) as (port, server),
    ):
        link = Link(port)
        history = link.new_run()
        for request in _batches(history, HISTORY_BATCHES, "history"):
            link.ask(request)
        began = time.perf_counter()
        points = link.history(history)
        raw_history_s = time.perf_counter() - began
        if points != HISTORY_BATCHES * BATCH:
            raise BenchError(f"{name} has {points} points of a metric instead of {HISTORY_BATCHES * BATCH}")
        runs = [link.new_run() for _ in range(CLIENTS)]
        alone = _clients(port, "single", singles, runs[:1])
        single = _clients(port, "single", singles, runs)
        batch = _clients(port, "batch", batches, runs)
        read = _clients(port, "history", 1, [history])
        calls = [_singles(link.new_run(), singles) for _ in range(CLIENTS)]
        lots = [_batches(link.new_run(), batches) for _ in range(CLIENTS)]
        raw_single_s, raw_batch_s = _raced(port, calls), _raced(port, lots)
        return {
            "raw_single_per_s": CLIENTS * singles / raw_single_s,
            "raw_batch_points_per_s": CLIENTS * batches * BATCH / raw_batch_s,
            "raw_history_s": raw_history_s,
            "client_single_per_s": CLIENTS * singles / max(one["s"] for one in single),
            "client_batch_points_per_s": CLIENTS * batches * BATCH / max(one["s"] for one in batch),
            "client_history_s": read[0]["s"],
            "log_metric_ms": alone[0]["median_ms"],
            "memory_mib": _memory_mib(server.pid),
        }


# ---- servers --------------------------------------------------------------------------------------------------------


@contextmanager
def _ranklog(folder: str) -> Iterator[tuple[int, Process]]:
    port = mlflow_rival.free_port()
    words = [sys.executable, "-m", "ranklog", "collector", "--root", f"{folder}/runs", "--grpc", "127.0.0.1:0"]
    with mlflow_rival.answering(
        Process([*words, "--http", f"127.0.0.1:{port}"], f"{folder}/collector.log"), port
    ) as server:
        yield port, server


SERVERS: Mapping[str, Callable[[str], AbstractContextManager[tuple[int, Process]]]] = {
    "ranklog": _ranklog,
    "mlflow": mlflow_rival.server,  # as it comes, with four workers
}


def _memory_mib(pid: int) -> float:
    return proportional_mib(pid) + sum(_memory_mib(child) for child in children(pid))


# ---- requests that were encoded before ------------------------------------------------------------------------------


class Link:
    """A connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connect()

    def ask(self, request: bytes) -> bytes:
        """The body of the answer."""
        self._socket.sendall(request)
        found = self._socket.recv(1 << 20)
        if not found:  # it was idle for longer than the server keeps it
            self._connect()
            self._socket.sendall(request)
        while b"\r\n\r\n" not in found:
            found += self._more()
        head, _, body = found.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        parts = [body]
        while (length := length - len(parts[-1])) > 0:
            parts.append(self._more())
        if b" 200 " not in head[:16]:
            raise BenchError(f"the server answers {head[:80]!r}: {b''.join(parts)[:200]!r}")
        return b"".join(parts)

    def new_run(self) -> str:
        """The id of one."""
        made = json.loads(self.ask(_post("runs/create", {"experiment_id": "0", "start_time": 1})))
        return str(made["run"]["info"]["run_id"])

    def history(self, run_id: str) -> int:
        """Read all of it, as clients do; tells how many points there are."""
        token, count = "", 0
        while True:
            path = f"metrics/get-history?run_id={run_id}&metric_key=history&max_results={PAGE}&page_token={token}"
            answer = self.ask(f"GET /api/2.0/mlflow/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            count += answer.count(b'"timestamp"')
            tail = answer[-200:].partition(b'"next_page_token"')[2]
            token = tail.split(b'"')[1].decode().replace("=", "%3D") if tail else ""
            if not token:
                return count

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 20)
        if not data:
            raise BenchError("the server hung up")
        return data


def _post(path: str, body: object) -> bytes:
    data = json.dumps(body).encode()
    head = f"POST /api/2.0/mlflow/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def _singles(run_id: str, count: int) -> list[bytes]:
    return [
        _post(
            "runs/log-metric", {"run_id": run_id, "key": "loss", "value": step * 0.5, "timestamp": step, "step": step}
        )
        for step in range(count)
    ]


def _batches(run_id: str, count: int, key: str | None = None) -> list[bytes]:
    return [
        _post("runs/log-batch", {"run_id": run_id, "metrics": [_point(number * BATCH + n, key) for n in range(BATCH)]})
        for number in range(count)
    ]


def _point(step: int, key: str | None) -> dict[str, object]:
    return {"key": key or f"m{step % 10}", "value": step * 0.37, "timestamp": 1_700_000_000_000 + step, "step": step}


def _raced(port: int, shares: Sequence[Sequence[bytes]]) -> float:
    """How long it takes to send all, each share over a connection of its own."""
    links = [Link(port) for _ in shares]
    failures: list[BenchError] = []

    def send(link: Link, share: Sequence[bytes]) -> None:
        try:
            for request in share:
                link.ask(request)
        except BenchError as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=pair) for pair in zip(links, shares, strict=True)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - began


# ---- unmodified clients ---------------------------------------------------------------------------------------------


def _clients(port: int, what: str, count: int, runs: Sequence[str]) -> list[dict[str, float]]:
    """What each of so many processes says; they begin together."""
    uri = f"http://127.0.0.1:{port}"
    words = [str(mlflow_rival.PYTHON), "-m", "bench.mlflow_clients", uri, what, str(count)]
    environ = {**os.environ, **mlflow_rival.QUIET}
    started = [
        subprocess.Popen(
            [*words, run_id], cwd=rivals.ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for run_id in runs
    ]
    for one in started:
        assert one.stdout is not None
        one.stdout.readline()
    for one in started:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate(timeout=TIMEOUT_S)[0] for one in started]
    if any(one.returncode for one in started):
        raise BenchError(f"a client of MLflow failed at {what}")
    return [json.loads(text.splitlines()[-1]) for text in said]


if __name__ == "__main__":
    run(main)
