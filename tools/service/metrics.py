"""What the service counts, in Prometheus' format."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from tools.errors import Fault
from tools.service.runner import Served

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_CALLS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_LABELS = ("tool", "backend")


class Metrics:
    """Counters and histograms of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        into = self._registry
        self._requests = Counter("vista_tool_requests", "requests that were served", _LABELS, registry=into)
        self._calls = Counter("vista_tool_calls", "calls that were served", _LABELS, registry=into)
        self._errors = Counter("vista_tool_errors", "calls with an error, by kind", (*_LABELS, "kind"), registry=into)
        self._refused = Counter("vista_tool_refused", "requests that were refused, by kind", ("kind",), registry=into)
        self._latency = Histogram(
            "vista_tool_request_seconds",
            "from a request's arrival to its reply",
            _LABELS,
            buckets=_SECONDS,
            registry=into,
        )
        self._batches = Histogram(
            "vista_tool_batch_calls", "calls that ran together", _LABELS, buckets=_CALLS, registry=into
        )

    def of(self, tool: str, backend: str) -> ToolMetrics:
        """The metrics of one backend."""
        return ToolMetrics(self, tool, backend)

    def refused(self, kind: str) -> None:
        """Counts a request that was refused."""
        self._refused.labels(kind).inc()

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self._registry)


class ToolMetrics:
    """The metrics of one backend, looked up once."""

    def __init__(self, metrics: Metrics, tool: str, backend: str) -> None:
        self._metrics, self._labels = metrics, (tool, backend)
        self._requests = metrics._requests.labels(tool, backend)
        self._calls = metrics._calls.labels(tool, backend)
        self._latency = metrics._latency.labels(tool, backend)
        self._batches = metrics._batches.labels(tool, backend)

    def served(self, results: Sequence[Served], seconds: float) -> None:
        """Counts a request and its calls; errors by `E1` to `E6`, or the fault's kind."""
        self._requests.inc()
        self._calls.inc(len(results))
        self._latency.observe(seconds)
        for result, batch in results:
            if batch:
                self._batches.observe(batch)
            if result.error is not None:
                kind = result.error.kind if isinstance(result.error, Fault) else result.error.code.value
                self._metrics._errors.labels(*self._labels, kind).inc()
