"""The endpoint's CloudWatch metrics, AWS/SageMaker (guide, "SageMaker AI metrics in Amazon CloudWatch")."""

import logging
import threading
from collections import defaultdict
from datetime import UTC, datetime

log = logging.getLogger("local_aws")

NAMESPACE = "AWS/SageMaker"
COUNTS = ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")


class Metrics:
    """Sums by account and region, endpoint and variant; `publish` moves them to CloudWatch as one datum a metric."""

    def __init__(self, app):
        self.app = app
        self._lock = threading.Lock()
        self._sums: dict = defaultdict(lambda: defaultdict(list))

    def add(
        self, place: tuple[str, str], endpoint: str, variant: str, status: int, model: float, overhead: float
    ) -> None:
        """One invocation: the HTTP status (of the model, or of the refusal) and both latencies in seconds."""
        with self._lock:
            sums = self._sums[place, endpoint, variant]
            sums["Invocations"].append(1)
            sums["Invocation4XXErrors"].append(int(400 <= status < 500))
            sums["Invocation5XXErrors"].append(int(status >= 500))
            sums["InvocationModelErrors"].append(int(not 200 <= status < 300))
            sums["ModelLatency"].append(model * 1e6)
            sums["OverheadLatency"].append(overhead * 1e6)

    def publish(self) -> None:
        with self._lock:
            sums, self._sums = self._sums, defaultdict(lambda: defaultdict(list))
        now = datetime.now(UTC).replace(tzinfo=None)
        for (place, endpoint, variant), metrics in sums.items():
            dimensions = [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": variant},
            ]
            data = [
                {
                    "MetricName": name,
                    "Dimensions": dimensions,
                    "Timestamp": now,
                    "Unit": "Count" if name in COUNTS else "Microseconds",
                    "StatisticValues": {
                        "SampleCount": len(values),
                        "Sum": sum(values),
                        "Minimum": min(values),
                        "Maximum": max(values),
                    },
                }
                for name, values in metrics.items()
            ]
            try:
                with self.app.lock:
                    self.app.backend("cloudwatch", *place).put_metric_data(NAMESPACE, data)
                    self.app.changed("cloudwatch", *place)
            except Exception:
                log.exception("the metrics of endpoint %s cannot be written", endpoint)
