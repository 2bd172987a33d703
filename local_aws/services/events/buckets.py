"""S3's events of buckets whose notification configuration sends them to EventBridge.

Only objects that come and go are told of, not their tags, access lists and storage classes.
Shape: Amazon S3 user guide, "EventBridge event message structure".
"""

import json
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from moto.s3 import models, notifications

from local_aws.server.app import LocalAwsApp

log = logging.getLogger("local_aws")
_REASONS = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectRemoved:Delete": "DeleteObject",
    "ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
}
# (bucket's account, bucket, key) of every object that is created, whatever the bucket's configuration
_listeners: list[Callable[[str, str, str], None]] = []


def on_object_created(function: Callable[[str, str, str], None]) -> None:
    """`function(account, bucket, key)` for each new object or version, called with the app's lock held."""
    _listeners.append(function)


def _detail(account: str, bucket: Any, event_name: str, key: Any) -> dict[str, Any]:
    short = event_name.removeprefix("s3:")
    thing = {"key": key.name, "sequencer": f"{time.time_ns():018X}"}
    if short.startswith("ObjectCreated"):
        thing |= {"size": key.size, "etag": key.etag.strip('"')}
    if bucket.is_versioned and getattr(key, "version_id", None):
        thing["version-id"] = key.version_id
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": thing,
        "request-id": secrets.token_hex(8).upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
    }
    if reason := _REASONS.get(short):
        detail["reason"] = reason
    if short.startswith("ObjectRemoved"):
        marker = short.endswith("DeleteMarkerCreated")
        detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
    return detail


def install(app: LocalAwsApp) -> None:
    """Instead of moto's own delivery, which knows few targets and fills in constants."""
    plain = notifications.send_event

    def send_to_bus(account: str, bucket: Any, event_name: str, key: Any) -> None:
        name = str(getattr(event_name, "value", event_name))
        if not name.startswith(("s3:ObjectCreated", "s3:ObjectRemoved")):
            return  # moto sets tags at every put: AWS sends no event for that
        detail_type = notifications._detail_type(event_name)
        detail = _detail(account, bucket, name, key)
        app.events.send("aws.s3", detail_type, detail, [bucket.arn], account, bucket.region_name)

    def send_event(account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
        plain(account_id, event_name, bucket, key)
        if "ObjectCreated" in str(getattr(event_name, "value", event_name)):
            for function in _listeners:
                function(bucket.account_id, bucket.name, key.name)

    def run_function(account: str, body: dict, arn: str, region: str) -> None:
        try:
            functions = app.functions
            functions.accept(
                functions.target(arn, account, region), arn, json.dumps(body).encode(), str(uuid4())
            )
        except Exception as error:  # as on AWS, the request that caused it does not fail
            log.error("the notification of a bucket could not invoke %s: %s", arn, error)

    notifications._send_event_bridge_message = send_to_bus
    notifications._invoke_awslambda = run_function
    if not getattr(plain, "tells_listeners", False):
        send_event.tells_listeners = True
        notifications.send_event = send_event
    # AWS sends no event when a bucket is made; moto would run functions for it
    models.events_send_notification = lambda **_: None
