"""boto3 clients on this server, for an account and a region: how the engine and its handlers call the services."""

import threading
from typing import Any

from local_aws.config import DUMMY_SECRET_KEY

_lock = threading.Lock()
_clients: dict[tuple[str, str, str, str], Any] = {}


def client(app: Any, service: str, account: str, region: str) -> Any:
    """One client a (service, account, region), made on first use: clients are safe for threads, their making is
    not. A key id that is the account's number acts as that account's administrator (`services.accounts`)."""
    key = (app.endpoint_url, service, account, region)
    with _lock:
        if key not in _clients:
            _clients[key] = _session().client(
                service,
                aws_access_key_id=account,
                aws_secret_access_key=DUMMY_SECRET_KEY,
                region_name=region,
                endpoint_url=app.endpoint_url,
                config=_config(),
            )
        return _clients[key]


def _session() -> Any:
    import boto3

    global _made
    if _made is None:
        _made = boto3.session.Session()
    return _made


def _config() -> Any:
    from botocore.config import Config

    return Config(retries={"max_attempts": 0}, proxies={}, read_timeout=960, connect_timeout=10)


_made: Any = None
