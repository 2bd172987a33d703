"""Messages to a thread that waits: the end of a build, an approval, the result of a job."""

import threading
from collections import OrderedDict
from typing import Any

_KEPT = 1000  # messages nobody has asked for yet


class Closed(Exception):
    """The wait was ended without a message."""


class Mailbox:
    """`wait(key)` gives what `post(key, …)` brought, whichever of the two comes first."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._messages: OrderedDict[Any, Any] = OrderedDict()
        self._closed: set = set()

    def post(self, key: Any, message: Any) -> None:
        with self._lock:
            self._messages[key] = message
            while len(self._messages) > _KEPT:
                self._messages.popitem(last=False)
            self._lock.notify_all()

    def close(self, key: Any) -> None:
        """End the wait for `key`."""
        with self._lock:
            self._closed.add(key)
            self._lock.notify_all()

    def wait(self, key: Any, seconds: float, also: Any = None) -> Any:
        """The message. TimeoutError after `seconds`; `Closed` when `key` or `also` is closed."""
        with self._lock:
            known = self._lock.wait_for(
                lambda: key in self._messages or key in self._closed or also in self._closed, seconds
            )
            if key in self._messages:
                return self._messages.pop(key)
            self._closed -= {key, also}
            if known:
                raise Closed
            raise TimeoutError
