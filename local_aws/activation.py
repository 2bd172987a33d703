"""Point this process, boto3 and the SageMaker SDK at a local AWS, and make real credentials unreachable."""

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Callable

from local_aws import telemetry
from local_aws.client import LocalAws
from local_aws.config import DUMMY_ACCESS_KEY, DUMMY_SECRET_KEY

# What could lead botocore to an account, or to another address: RefreshableCredentials, profiles, role chains.
_REMOVED = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CA_BUNDLE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT",
)
_TELEMETRY = "sagemaker.core.telemetry.telemetry_logging"
_SESSION_HELPERS = ("sagemaker.core.helper.session_helper", "sagemaker.core.common_utils")


def environment(local: LocalAws, region: str | None = None) -> dict[str, str]:
    """The variables that point any AWS client at `local`; `local-aws env` prints them."""
    region = region or local.region
    return {
        "AWS_ENDPOINT_URL": local.endpoint_url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": DUMMY_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": DUMMY_SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def removed_variables() -> list[str]:
    """Variables of this process that must go: they could lead to an account or to another address."""
    services = [n for n in os.environ if n.startswith("AWS_ENDPOINT_URL_")]
    return [n for n in _REMOVED if n in os.environ] + services


def activate(local: LocalAws, region: str | None = None) -> None:
    """Make `boto3.client(...)` and the SageMaker SDK in this process, and in its children, use `local`
    only.

    Credentials and profiles of the environment are replaced by dummies, credential files and metadata
    services are switched off, the default boto3 session is renewed, the SDK's explicit STS address is
    routed to `local`, and its telemetry is off. Clients made earlier keep what they had. May be called
    again.
    """
    for name in removed_variables():
        del os.environ[name]
    os.environ.update(environment(local, region))
    hosts = ["127.0.0.1", "localhost"]
    for name in ("no_proxy", "NO_PROXY"):
        present = [h for h in os.environ.get(name, "").split(",") if h]
        os.environ[name] = ",".join(dict.fromkeys(present + hosts))
    os.environ.setdefault(telemetry.VARIABLE, str(telemetry.opt_out_file(local.home)))  # for children, too
    if singletons := getattr(sys.modules.get("sagemaker.core.utils.utils"), "SingletonMeta", None):
        singletons._instances.clear()  # the SDK's clients of an earlier address
    if "boto3" in sys.modules:
        sys.modules["boto3"].DEFAULT_SESSION = None
    endpoint = local.endpoint_url
    for name in _SESSION_HELPERS:
        _after_import(name, lambda module: _route_sts(module, endpoint))
    _after_import(_TELEMETRY, _silence)


def _route_sts(module, endpoint_url: str) -> None:
    if hasattr(module, "sts_regional_endpoint"):
        module.sts_regional_endpoint = lambda region: endpoint_url


def _silence(module) -> None:
    for name in ("_send_telemetry_request", "_requests_helper"):
        if hasattr(module, name):
            setattr(module, name, lambda *args, **kwargs: None)


class _Hook(importlib.abc.MetaPathFinder):
    """Runs actions right after a module's own import; importing the SDK here would cost every caller
    seconds."""

    def __init__(self):
        self.actions: dict[str, Callable] = {}
        self._busy: set[str] = set()

    def find_spec(self, name, path=None, target=None):
        if name not in self.actions or name in self._busy:
            return None
        self._busy.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._busy.discard(name)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module
        action = self.actions[name]

        def exec_module(module):
            run(module)
            action(module)

        spec.loader.exec_module = exec_module
        return spec


_hook = _Hook()


def _after_import(name: str, action: Callable) -> None:
    _hook.actions[name] = action
    if _hook not in sys.meta_path:
        sys.meta_path.insert(0, _hook)
    if name in sys.modules:
        action(sys.modules[name])
