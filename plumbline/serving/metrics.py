"""What Prometheus is told."""

from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
ROWS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536)


class Metrics:
    """One server's own registry."""

    def __init__(self, model: Mapping[str, str], log_waiting: Callable[[], int]) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._registry = registry
        self.requests = Counter(
            "plumbline_requests",
            "Requests answered, by route and status.",
            ["route", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "plumbline_predict_seconds",
            "From a prediction's first byte to its answer.",
            buckets=SECONDS,
            registry=registry,
        )
        self.rows = Counter("plumbline_rows", "Rows scored and answered.", registry=registry)
        self.batch_rows = Histogram(
            "plumbline_batch_rows",
            "Rows that the model scored together.",
            buckets=ROWS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "plumbline_requests_in_flight",
            "Predictions accepted and not yet answered.",
            registry=registry,
        )
        waiting = Gauge(
            "plumbline_log_rows_waiting",
            "Rows reserved or not yet written to the inference log.",
            registry=registry,
        )
        waiting.set_function(log_waiting)
        Info("plumbline_model", "The bundle that answers.", registry=registry).info(dict(model))

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
