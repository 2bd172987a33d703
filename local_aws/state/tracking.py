"""Which backends and which S3 keys a request touched. Only under the app's lock."""

from typing import Any

from local_aws.state.pickling import BackendKey

touched: set[BackendKey] = set()


def install() -> None:
    """Make moto note every backend that is looked up, and every bucket note its changed keys."""
    from moto.core.base_backend import AccountSpecificBackend
    from moto.iam import models as iam
    from moto.s3.utils import _VersionedKeyStore

    plain_get = AccountSpecificBackend.__getitem__

    def get(self: Any, region: str) -> Any:
        touched.add((self.service_name, self.account_id, "aws" if region == "global" else region))
        return plain_get(self, region)

    AccountSpecificBackend.__getitem__ = get

    plain_visit = iam.mark_account_as_visited

    def visit(**arguments: Any) -> None:
        """Runs for every request; only a known access key makes it a change of IAM's state."""
        before = set(touched)
        plain_visit(**arguments)
        touched.clear()
        touched.update(before)

    iam.mark_account_as_visited = visit

    def noting(method: Any) -> Any:
        def changed(self: Any, key: Any, *rest: Any) -> Any:
            self.__dict__.setdefault("dirty", set()).add(key)
            return method(self, key, *rest)

        return changed

    for name in ("__setitem__", "setlist", "pop"):
        setattr(_VersionedKeyStore, name, noting(getattr(_VersionedKeyStore, name)))
    _VersionedKeyStore.__delitem__ = noting(dict.__delitem__)
