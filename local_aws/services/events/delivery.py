"""From an accepted event to its rules' targets: at least once, in order, whatever ends this process.

An event is a document on disk before it is acknowledged. One thread matches events with rules, in the order in
which they came, and turns each into invocations, one a target, also on disk. Invocations of one target are
delivered one after the other, those of different targets side by side. What a kill -9 leaves is delivered at
the next start.
"""

import json
import logging
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from local_aws.server.clients import client_of
from local_aws.services.events import targets
from local_aws.services.events.metrics import Metrics
from local_aws.state.documents import Document

log = logging.getLogger("local_aws")
_DRAIN = 10.0  # seconds an orderly stop waits; the rest is on disk
# AWS tries again for a day; nobody waits so long here, and what fails three times on one machine goes on failing.
_MOST_RETRIES = 3


def make_event(
    source: str, detail_type: str, detail: dict, resources: list, account: str, region: str, when: Any = None
) -> dict[str, Any]:
    """An event in EventBridge's envelope (user guide, "Events in Amazon EventBridge")."""
    when = when or datetime.now(UTC)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": resources,
        "detail": detail,
    }


class Delivery:
    """One a server: `app.events`."""

    def __init__(self, app: Any):
        self.app, self.metrics = app, Metrics(app)
        self._events: queue.SimpleQueue = queue.SimpleQueue()
        self._lanes: dict[tuple, deque] = {}
        self._lock = threading.Condition()
        self._under_way = 0
        self._closing = False
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="event-target")
        self._listeners: list[Callable[[dict], None]] = []
        app.on_start(self.start)
        app.on_stop(self.stop)

    def listen(self, function: Callable[[dict], None]) -> None:
        """`function(event)` for each event of a default bus, in order, without the app's lock held. What it
        starts by itself must be quick."""
        self._listeners.append(function)

    # -- in ------------------------------------------------------------------------------------------------
    def send(
        self, source: str, detail_type: str, detail: dict, resources: list, account: str, region: str
    ) -> str:
        event = make_event(source, detail_type, detail, resources, account, region)
        return self.accept(event, "default", account, region)

    def accept(self, event: dict, bus: str, account: str, region: str) -> str:
        """Put an event on a bus of `account` and `region`; the event's id."""
        document = Document("event", account, region, str(uuid.uuid4()), {"bus": bus, "event": event})
        self.app.documents.write(put=[document])
        self._add(1)
        self._events.put(document)
        return event["id"]

    # -- life ----------------------------------------------------------------------------------------------
    def start(self) -> None:
        for document in self.app.documents.all("invocation"):
            self._add(1)
            self._enter_lane(document)
        for document in self.app.documents.all("event"):
            self._add(1)
            self._events.put(document)
        threading.Thread(target=self._match_all, name="events", daemon=True).start()

    def stop(self) -> None:
        """Deliver what is accepted; what takes too long is on disk and follows at the next start."""
        if not self.wait_idle(_DRAIN):
            log.warning("%d events will be delivered at the next start", self._under_way)
        self._closing = True
        self.metrics.publish()

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing is under way; False when it still is after `seconds`."""
        with self._lock:
            return self._lock.wait_for(lambda: self._under_way == 0, seconds)

    def _add(self, count: int) -> None:
        with self._lock:
            self._under_way += count
            self._lock.notify_all()

    # -- matching ------------------------------------------------------------------------------------------
    def _match_all(self) -> None:
        while True:
            try:
                document = self._events.get(timeout=0.5 if self.metrics.waiting else None)
            except queue.Empty:
                self.metrics.publish()
                continue
            try:
                invocations = self._match(document)
                self._tell_listeners(document)
                self.app.documents.write(put=invocations, remove=[document])
            except Exception:
                log.exception("the event %s cannot be matched", document.value["event"]["id"])
                invocations = []
            self._add(len(invocations) - 1)
            for invocation in invocations:
                self._enter_lane(invocation)

    def _tell_listeners(self, document: Document) -> None:
        for function in self._listeners if document.value["bus"] == "default" else ():
            try:
                function(document.value["event"])
            except Exception:
                log.exception("a listener to events failed")

    def _match(self, document: Document) -> list[Document]:
        """One document a target of each rule that matches."""
        event, account, region = document.value["event"], document.account, document.region
        found = []
        with self.app.lock:  # also waits for the request that caused the event to be acknowledged
            bus = self.app.backend("events", account, region).event_buses.get(document.value["bus"])
            rules = list(bus.rules.values()) if bus else []
            for rule in rules:
                pattern = rule.event_pattern
                # without a pattern moto's matcher takes everything: such a rule only has a schedule
                if rule.state == "DISABLED" or not pattern.dump() or not pattern.matches_event(event):
                    continue
                self.metrics.add(account, region, rule.name, "MatchedEvents", "TriggeredRules")
                found += self._invocations(event, rule)
        return found

    @staticmethod
    def _invocations(event: dict, rule: Any) -> list[Document]:
        return [
            Document(
                "invocation",
                rule.account_id,
                rule.region_name,
                str(uuid.uuid4()),
                {"event": event, "rule": rule.arn, "target": dict(target)},
            )
            for target in rule.targets
        ]

    def invoke(self, event: dict, rule: Any) -> None:
        """Send an event to the targets of one rule, whatever its pattern (schedules). Hold the app's lock."""
        invocations = self._invocations(event, rule)
        self.app.documents.write(put=invocations)
        self.metrics.add(rule.account_id, rule.region_name, rule.name, "TriggeredRules")
        self._add(len(invocations))
        for invocation in invocations:
            self._enter_lane(invocation)

    # -- delivering ----------------------------------------------------------------------------------------
    def _enter_lane(self, invocation: Document) -> None:
        value = invocation.value
        lane = (value["event"]["source"], value["rule"], value["target"]["Id"], value["target"]["Arn"])
        with self._lock:
            waiting = self._lanes.get(lane)
            if waiting is not None:
                waiting.append(invocation)
                return
            self._lanes[lane] = deque([invocation])
        self._pool.submit(self._drive, lane)

    def _drive(self, lane: tuple) -> None:
        while True:
            with self._lock:
                if not self._lanes[lane]:
                    del self._lanes[lane]
                    return
                invocation = self._lanes[lane].popleft()
            try:
                self._deliver(invocation)
                if self._closing:  # not written any more: it will be delivered again
                    return
                self.app.documents.write(remove=[invocation])
            except Exception:
                log.exception("an event's delivery failed within local_aws")
            self._add(-1)

    def _deliver(self, invocation: Document) -> None:
        value = invocation.value
        rule, account, region = value["rule"].rsplit("/", 1)[-1], invocation.account, invocation.region
        policy = value["target"].get("RetryPolicy") or {}
        retries = min(policy.get("MaximumRetryAttempts", 185), _MOST_RETRIES)
        attempt = 0
        while True:
            try:
                targets.send(self.app, invocation)
                self.metrics.add(account, region, rule, "Invocations")
                return
            except targets.NotDelivered as error:
                failure = error
            except Exception as error:
                log.exception("sending an event to %s failed", value["target"]["Arn"])
                failure = targets.NotDelivered(
                    "SDK_CLIENT_ERROR", f"{type(error).__name__}: {error}", retry=True
                )
            if not failure.retry or attempt >= retries or self._closing:
                break
            attempt += 1
            time.sleep(0.2 * attempt)
        self._failed(invocation, failure, attempt)

    def _failed(self, invocation: Document, failure: "targets.NotDelivered", attempts: int) -> None:
        """Where it can be seen: the server's log, AWS/Events and the target's dead-letter queue."""
        value, account, region = invocation.value, invocation.account, invocation.region
        rule, arn = value["rule"].rsplit("/", 1)[-1], value["target"]["Arn"]
        log.error(
            "event %s (%s): rule %s could not invoke %s: %s: %s",
            value["event"]["id"], value["event"]["detail-type"], rule, arn, failure.code, failure,
        )  # fmt: skip
        self.metrics.add(account, region, rule, "Invocations", "FailedInvocations")
        queue_arn = (value["target"].get("DeadLetterConfig") or {}).get("Arn")
        if not queue_arn:
            return
        attributes = {
            "RULE_ARN": value["rule"],
            "TARGET_ARN": arn,
            "ERROR_CODE": failure.code,
            "ERROR_MESSAGE": str(failure) or failure.code,
            "RETRY_ATTEMPTS": str(attempts),
        }
        if failure.retry:
            attributes["EXHAUSTED_RETRY_CONDITION"] = "MaximumRetryAttempts"
        try:
            sqs = client_of(self.app, "sqs", account, queue_arn.split(":")[3])
            sqs.send_message(
                QueueUrl=targets.queue_url(sqs, queue_arn),
                MessageBody=json.dumps(value["event"]),
                MessageAttributes={
                    k: {"DataType": "String", "StringValue": v} for k, v in attributes.items()
                },
            )
            self.metrics.add(account, region, rule, "InvocationsSentToDlq")
        except Exception as error:
            log.error("the dead-letter queue %s of rule %s takes nothing: %s", queue_arn, rule, error)
            self.metrics.add(account, region, rule, "InvocationsFailedToBeSentToDlq")
