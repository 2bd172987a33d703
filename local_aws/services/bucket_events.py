"""S3's event notifications to EventBridge and Lambda functions, through their real delivery here.

moto itself sends those to SQS and SNS. Sources: Amazon S3 user guide, "Using EventBridge" ("EventBridge event message
structure") and "Event message structure".
"""

import json
import time
import uuid
from typing import Any

from moto.s3 import notifications
from moto.s3.models import FakeBucket, s3_backends

from local_aws.server.app import LocalAwsApp
from local_aws.services.events import emit

_REASONS = {
    "Put": "PutObject",
    "Post": "POST Object",
    "Copy": "CopyObject",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
    "Delete": "DeleteObject",
    "DeleteMarkerCreated": "DeleteObject",
}


def event_detail(account: str, bucket: str, event: str, key: Any) -> dict[str, Any]:
    """The detail of `s3:ObjectCreated:Put` and the like, in EventBridge's form. `key`: moto's object."""
    item: dict[str, Any] = {"key": key.name, "sequencer": f"{time.time_ns():018X}"}
    if getattr(key, "version_id", None) not in (None, "null"):
        item["version-id"] = str(key.version_id)
    detail: dict[str, Any] = {"version": "0", "bucket": {"name": bucket}, "object": item}
    what = event.rsplit(":", 1)[-1]
    if "ObjectRemoved" in event:
        marker = what == "DeleteMarkerCreated"
        detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
    else:
        item |= {"size": key.size, "etag": key.etag.strip('"')}
    detail |= {"request-id": uuid.uuid4().hex[:16].upper(), "requester": account}
    return {**detail, "source-ip-address": "127.0.0.1", "reason": _REASONS.get(what, what)}


def _tags(account: str, bucket: FakeBucket, key: Any) -> dict[str, str]:
    return s3_backends[account][bucket.partition].tagger.get_tag_dict_for_resource(key.arn)


def register(app: LocalAwsApp) -> None:
    """Put both deliveries in the place of moto's."""

    def to_event_bridge(account_id: str, bucket: FakeBucket, event_name: str, key: Any) -> None:
        event = getattr(event_name, "value", event_name)
        if event == "s3:ObjectTagging:Put" and not _tags(account_id, bucket, key):
            return  # moto "tags" every new object
        detail = event_detail(account_id, bucket.name, event, key)
        kind = notifications._detail_type(event_name)
        emit(app, "aws.s3", kind, detail, [bucket.arn], account_id, bucket.region_name)

    def to_function(account_id: str, event_body: Any, fn_arn: str, region_name: str) -> None:
        target = app.functions.target(fn_arn, account_id, region_name)
        app.functions.accept(target, fn_arn, json.dumps(event_body).encode("utf-8"), str(uuid.uuid4()))

    notifications._send_event_bridge_message = to_event_bridge
    notifications._invoke_awslambda = to_function

    plain = FakeBucket.set_notification_configuration

    def set_notification_configuration(self: FakeBucket, notification_config: dict[str, Any] | None) -> None:
        """`<EventBridgeConfiguration/>` has no content: being there is what counts."""
        if notification_config and "EventBridgeConfiguration" in notification_config:
            notification_config = {**notification_config, "EventBridgeConfiguration": {}}
        plain(self, notification_config)

    FakeBucket.set_notification_configuration = set_notification_configuration
