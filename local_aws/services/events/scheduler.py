"""Starts the targets of rules with a schedule, once a minute. What came due while no server ran is not made up."""

import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

from local_aws.services.events.delivery import make_event
from local_aws.services.events.schedules import parse

log = logging.getLogger("local_aws")


class Scheduler:
    """One a server; `tick` is called at every full minute."""

    def __init__(self, app: Any):
        self.app = app
        self._last: dict[str, datetime] = {}  # by the rule's ARN
        self._ending = threading.Event()
        app.on_start(self.start)
        app.on_stop(self._ending.set)

    def start(self) -> None:
        threading.Thread(target=self._run, name="schedules", daemon=True).start()

    def _run(self) -> None:
        while not self._ending.wait(60 - time.time() % 60):
            try:
                self.tick(datetime.now(UTC).replace(second=0, microsecond=0))
            except Exception:
                log.exception("rules with a schedule")

    def tick(self, now: datetime) -> int:
        """Send an event to the targets of every rule that is due at `now`, a full minute in UTC; how many rules
        those are. A rate counts from the first tick that sees its rule."""
        with self.app.lock:
            due = [rule for rule in self._rules() if self._is_due(rule, now)]
            for rule in due:
                self._last[rule.arn] = now
                account, region = rule.account_id, rule.region_name
                event = make_event("aws.events", "Scheduled Event", {}, [rule.arn], account, region, now)
                self.app.events.invoke(event, rule)
        return len(due)

    def _rules(self) -> list[Any]:
        import moto.backends

        return [
            rule
            for _, _, backend in moto.backends.get_backend("events").iter_backends()
            for rule in backend.event_buses["default"].rules.values()
            if rule.scheduled_expression and rule.state != "DISABLED"
        ]

    def _is_due(self, rule: Any, now: datetime) -> bool:
        try:
            return parse(rule.scheduled_expression).due(self._last.setdefault(rule.arn, now), now)
        except ValueError as error:
            log.error("the schedule of rule %s cannot be read: %s", rule.arn, error)
            return False
