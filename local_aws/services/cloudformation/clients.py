"""boto3 clients on this server, for an account and a region: how the engine and its handlers call the services."""

import threading
from typing import Any

from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY

_lock = threading.Lock()
_clients: dict[tuple[str, str, str, str], Any] = {}
_session: Any = None


def client(app: Any, service: str, account: str, region: str) -> Any:
    """One client a (service, account, region), made on first use: clients are safe for threads, their making is
    not. `account` travels in moto's header for it."""
    global _session
    key = (app.endpoint_url, service, account, region)
    with _lock:
        if key not in _clients:
            import boto3
            from botocore.config import Config

            if _session is None:
                _session = boto3.session.Session(
                    aws_access_key_id=DUMMY_ACCESS_KEY, aws_secret_access_key=DUMMY_SECRET_KEY
                )
            config = Config(retries={"max_attempts": 0}, proxies={}, read_timeout=960, connect_timeout=10)
            made = _session.client(service, region_name=region, endpoint_url=app.endpoint_url, config=config)
            made.meta.events.register(
                "before-sign.*", lambda request, **_: request.headers.add_header("x-moto-account-id", account)
            )
            _clients[key] = made
        return _clients[key]
