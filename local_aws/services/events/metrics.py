"""EventBridge's CloudWatch metrics (user guide, "Monitoring Amazon EventBridge"), namespace AWS/Events."""

import logging
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("local_aws")
NAMESPACE = "AWS/Events"


class Metrics:
    """Counts by account, region and rule; `publish` moves them to CloudWatch as one datum a metric."""

    def __init__(self, app: Any):
        self._app, self._lock = app, threading.Lock()
        self._counts: Counter = Counter()

    def add(self, account: str, region: str, rule: str, *names: str) -> None:
        with self._lock:
            for name in names:
                self._counts[account, region, rule, name] += 1

    @property
    def waiting(self) -> bool:
        return bool(self._counts)

    def publish(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        now = datetime.now(UTC).replace(tzinfo=None)
        places: dict[tuple[str, str], list[dict]] = {}
        for (account, region, rule, name), count in counts.items():
            datum = {
                "MetricName": name,
                "Dimensions": [{"Name": "RuleName", "Value": rule}],
                "Timestamp": now,
                "Unit": "Count",
                "Value": float(count),
            }
            places.setdefault((account, region), []).append(datum)
        for (account, region), data in places.items():
            try:
                with self._app.lock:
                    self._app.backend("cloudwatch", account, region).put_metric_data(NAMESPACE, data)
                    self._app.changed("cloudwatch", account, region)
            except Exception:
                log.exception("the metrics of EventBridge cannot be written")
