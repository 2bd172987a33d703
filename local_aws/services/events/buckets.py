"""Who is told, within this server, of new objects in any bucket (`services.bucket_events` tells EventBridge)."""

from collections.abc import Callable
from typing import Any

from moto.s3 import models, notifications

# (bucket's account, bucket, key) of every object that is created, whatever the bucket's configuration
_listeners: list[Callable[[str, str, str], None]] = []


def on_object_created(function: Callable[[str, str, str], None]) -> None:
    """`function(account, bucket, key)` for each new object or version, called with the app's lock held."""
    _listeners.append(function)


def install() -> None:
    """Listen to what moto would notify of."""
    plain = notifications.send_event

    def send_event(account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
        plain(account_id, event_name, bucket, key)
        if "ObjectCreated" in str(getattr(event_name, "value", event_name)):
            for function in _listeners:
                function(bucket.account_id, bucket.name, key.name)

    if not getattr(plain, "tells_listeners", False):
        send_event.tells_listeners = True
        notifications.send_event = send_event
    # AWS sends no event when a bucket is made; moto would run functions for it
    models.events_send_notification = lambda **_: None
