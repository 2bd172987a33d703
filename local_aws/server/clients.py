"""boto3 clients on this server's own address, for services that use one another as any caller would."""

import threading
from functools import cache
from typing import Any

from local_aws.config import ACCOUNT_ID, DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY

_making = threading.Lock()


@cache
def _session(account: str) -> Any:
    import boto3

    # a key id that is an account's number acts as that account (services/accounts.py)
    key = DUMMY_ACCESS_KEY if account == ACCOUNT_ID else account
    return boto3.session.Session(
        aws_access_key_id=key, aws_secret_access_key=DUMMY_SECRET_KEY, region_name="us-east-1"
    )


@cache
def _client(endpoint_url: str, service: str, account: str, region: str) -> Any:
    from botocore.config import Config

    config = Config(retries={"max_attempts": 0}, proxies={}, read_timeout=900)
    return _session(account).client(service, endpoint_url=endpoint_url, region_name=region, config=config)


def client_of(app: Any, service: str, account: str, region: str) -> Any:
    """A client of `service` (boto3's name) that acts in `account` and `region`. Never use it with the app's
    lock held: the request would wait for it."""
    with _making:  # a session is not safe for threads while it makes a client
        return _client(app.endpoint_url, service, account, region)
