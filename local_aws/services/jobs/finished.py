"""Tells others in this server that a job has ended: nobody needs to poll."""

import logging
from collections.abc import Callable

log = logging.getLogger("local_aws")
Subscriber = Callable[[str, str, str, str], None]
_subscribers: list[Subscriber] = []


def subscribe(function: Subscriber) -> None:
    """Call `function(kind, account, region, name)` once for every job that ends; `kind`: training,
    processing, tuning or transform.

    It runs in the job's thread, with no lock held, after the final status is on disk and the job's place is
    free for another. Jobs that a restarted server finds dead are Failed before any service starts, and are
    not announced: whoever waited for them looks at their records when it starts.
    """
    _subscribers.append(function)


def publish(kind: str, account: str, region: str, name: str) -> None:
    """Call every subscriber; one that raises does not keep the others from being called."""
    for function in list(_subscribers):
        try:
            function(kind, account, region, name)
        except Exception:
            log.exception("after the end of %s job %s", kind, name)
