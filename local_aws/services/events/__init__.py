"""EventBridge: events are matched by moto's own matcher and really delivered to their rules' targets."""

from typing import Any

from local_aws.config import ACCOUNT_ID, DEFAULT_REGION
from local_aws.server.app import LocalAwsApp
from local_aws.server.emulated import provides


def emit(
    app: LocalAwsApp,
    source: str,
    detail_type: str,
    detail: dict[str, Any],
    resources: list[str] | tuple[str, ...] = (),
    account: str = ACCOUNT_ID,
    region: str = DEFAULT_REGION,
) -> str:
    """Send an event of an AWS service to the account's default bus; its id.

    It is on disk when this returns, and delivered by a thread of its own, in order. Needs no lock, and may be
    called with the app's lock held. `detail` is what AWS documents for `detail_type`, ready for JSON.
    """
    return app.events.send(source, detail_type, detail, list(resources), account, region)


def register(app: LocalAwsApp) -> None:
    from local_aws.services.events import buckets, responses
    from local_aws.services.events.delivery import Delivery
    from local_aws.services.events.scheduler import Scheduler

    app.events = Delivery(app)
    Scheduler(app)
    responses.install(app)
    buckets.install()
    provides("events:PutEvents", "events:TestEventPattern")
