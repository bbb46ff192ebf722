"""How the collector itself is: /healthz for whoever starts it again, /metrics for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from itertools import accumulate
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ranklog_collector.core.figures import SYNC_BOUNDS_S, Figures
from ranklog_collector.http import answers
from ranklog_collector.http.errors import JsonAnswer
from ranklog_collector.http.guard import HEALTH

STALLED_S = 10.0
"""A collector that has not told its figures for so long does not serve its agents either."""

Read = Callable[[], Figures | None]


def condition(read: Read, parent: int) -> APIRouter:
    """Both, from what `read` gives; `parent` is the collector's process id."""
    router = APIRouter()
    registry = CollectorRegistry()
    registry.register(_Families(read))
    ProcessCollector(pid=lambda: parent, registry=registry)

    def healthz() -> Response:
        """Tell whether the collector serves: 200, else 503. It needs no token."""
        figures = read()
        state = "ok"
        if figures is None or time.monotonic() - figures.time_s > STALLED_S:
            state = "stalled"
        elif figures.runs_paused:
            # To start it again would not make room on its disk.
            state = "paused"
        status = HTTPStatus.SERVICE_UNAVAILABLE if state == "stalled" else HTTPStatus.OK
        return JsonAnswer({"status": state}, status)

    def metrics() -> Response:
        """Tell the collector's own figures, for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    unwell: dict[int | str, dict[str, Any]] = {
        503: {"model": answers.Health, "description": "The collector does not answer its agents."}
    }
    router.add_api_route(HEALTH, healthz, response_model=answers.Health, responses=unwell)
    text: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}, "description": "The figures."}}
    router.add_api_route("/metrics", metrics, response_class=Response, responses=text)
    return router


class _Families(Collector):
    """The figures as Prometheus has them."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        figures = self._read()
        if figures is None:
            return
        counters = figures.counters
        yield GaugeMetricFamily("ranklog_agents", "Agents that are connected.", figures.agents)
        yield GaugeMetricFamily("ranklog_runs", "Runs that are open.", figures.runs)
        yield GaugeMetricFamily("ranklog_runs_paused", "Runs whose folder cannot be written.", figures.runs_paused)
        yield GaugeMetricFamily("ranklog_streams", "Streams of the open runs.", figures.streams)
        for name, text, value in (
            ("ranklog_sessions", "Agents that were let in.", counters.sessions),
            ("ranklog_sessions_refused", "Agents that were sent away.", counters.sessions_refused),
            ("ranklog_received_bytes", "Bytes that have come.", counters.received_bytes),
            ("ranklog_durable_bytes", "Bytes that are on disk for good.", counters.durable_bytes),
            ("ranklog_chunks_refused", "Chunks that had to be sent again.", counters.chunks_refused),
            ("ranklog_pauses", "Times that a run folder could not be written.", counters.pauses),
        ):
            yield CounterMetricFamily(name, text, value)
        counts = accumulate(counters.syncs.counts)
        bounds = [*map(str, SYNC_BOUNDS_S), "+Inf"]
        yield HistogramMetricFamily(
            "ranklog_sync_seconds",
            "How long it took to make what has come durable.",
            buckets=list(zip(bounds, counts, strict=True)),
            sum_value=counters.syncs.sum_s,
        )
