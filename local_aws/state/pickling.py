"""moto's backends as bytes: their own attributes, with references to other backends kept as references.

A backend is stored as its `__dict__`. Objects that cannot be stored or would be stored twice have reducers
here: locks (a new one is made), other backends (looked up again), AWS's managed policies (they come with
moto), the key stores of buckets and the events of log streams (kept in tables of their own, see `store`).
"""

import copy
import copyreg
import io
import pickle
import sys
import threading
import weakref
from collections import defaultdict
from functools import cache
from typing import Any

BackendKey = tuple[str, str, str]  # service, account, region


def live_backends() -> dict[BackendKey, Any]:
    """Every backend that exists in this process."""
    from moto.core.base_backend import BackendDict

    found = {}
    for backends in BackendDict._instances:
        for account, region, backend in backends.iter_backends():
            found[backends.service_name, account, region] = backend
    return found


def find_backend(service: str, account: str, region: str) -> Any:
    import moto.backends

    return moto.backends.get_backend(service)[account][region]


def _policy(account: str, region: str, arn: str, attached: int) -> Any:
    # a backend that is being loaded still has what its constructor made
    policy = find_backend("iam", account, region).managed_policies[arn]
    policy.attachment_count = attached
    return policy


def _new_key_store() -> Any:
    from moto.s3.utils import _VersionedKeyStore

    return _VersionedKeyStore()


def _without(*names: str) -> Any:
    def reduce(item: Any) -> tuple:
        state = {k: v for k, v in item.__dict__.items() if k not in names}
        return copyreg.__newobj__, (type(item),), state

    return reduce


class CopyOf:
    """A default factory without a name (a lambda), as the value that it makes."""

    def __init__(self, sample: Any):
        self.sample = sample

    def __call__(self) -> Any:
        return copy.deepcopy(self.sample)


def _reduce_defaultdict(item: defaultdict) -> tuple:
    factory = item.default_factory
    if "<locals>" in getattr(factory, "__qualname__", ""):
        factory = CopyOf(factory())
    return defaultdict, (factory,), None, None, iter(item.items())


def _load_key(pem: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, None)


def _reduce_key(key: Any) -> tuple:
    from cryptography.hazmat.primitives import serialization as s

    return _load_key, (key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()),)


def _load_certificate(pem: bytes) -> Any:
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(pem)


def _reduce_certificate(certificate: Any) -> tuple:
    from cryptography.hazmat.primitives.serialization import Encoding

    return _load_certificate, (certificate.public_bytes(Encoding.PEM),)


@cache
def _crypto_reducers() -> dict[type, Any]:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509 import Certificate

    keys = (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1()))
    return {**{type(key): _reduce_key for key in keys}, Certificate: _reduce_certificate}


def _bare(kind: type[defaultdict], factory: Any) -> defaultdict:
    item = kind.__new__(kind)
    item.default_factory = factory
    return item


def _reduce_bare(item: defaultdict) -> tuple:
    """A defaultdict's subclass whose constructor wants arguments: made without it."""
    return _bare, (type(item), item.default_factory), item.__dict__, None, iter(dict.items(item))


def _reducers(linked: set[BackendKey]) -> dict[type, Any]:
    names = {id(backend): key for key, backend in live_backends().items()}

    def reduce_backend(backend: Any) -> tuple:
        key = names[id(backend)]
        linked.add(key)
        return find_backend, key

    def reduce_policy(policy: Any) -> tuple:
        return _policy, (policy.account_id, "aws", policy.arn, policy.attachment_count)

    table: dict[type, Any] = {type(backend): reduce_backend for backend in live_backends().values()}
    table[type(threading.Lock())] = lambda lock: (threading.Lock, ())
    table[type(threading.RLock())] = lambda lock: (threading.RLock, ())
    table[defaultdict] = _reduce_defaultdict
    table[weakref.WeakValueDictionary] = lambda item: (weakref.WeakValueDictionary, (dict(item),))
    if "cryptography" in sys.modules:
        table.update(_crypto_reducers())
    # Only of modules that are loaded: importing some of them takes a second.
    for module, name, reducer in (
        ("moto.iam.models", "AWSManagedPolicy", reduce_policy),
        ("moto.logs.models", "LogStream", _without("events", "_saved")),
        ("moto.s3.utils", "_VersionedKeyStore", lambda store: (_new_key_store, ())),
        ("moto.ssm.models", "ParameterDict", _reduce_bare),
    ):
        if module in sys.modules:
            table[getattr(sys.modules[module], name)] = reducer
    return table


class Picklers:
    """Makes picklers; the reducers are rebuilt only when new backends exist."""

    def __init__(self) -> None:
        self._known = -1
        self._table: dict[type, Any] = {}
        self._linked: set[BackendKey] = set()

    def dumps(self, value: Any) -> tuple[bytes, set[BackendKey]]:
        """The bytes, and the backends that `value` refers to."""
        count = len(live_backends())
        if count != self._known:
            self._table, self._known = _reducers(self._linked), count
        self._linked.clear()
        out = io.BytesIO()
        pickler = pickle.Pickler(out, pickle.HIGHEST_PROTOCOL)
        pickler.dispatch_table = {**copyreg.dispatch_table, **self._table}
        pickler.dump(value)
        return out.getvalue(), set(self._linked)


def loads(data: bytes) -> Any:
    return pickle.loads(data)
