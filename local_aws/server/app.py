"""`LocalAwsApp`: what the services of local_aws build on."""

import logging
import re
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from local_aws.config import ACCOUNT_ID, DEFAULT_REGION
from local_aws.server.joblogs import LogStreamWriter
from local_aws.server.s3access import S3Access, S3Object
from local_aws.state import tracking
from local_aws.state.blobs import BlobStore
from local_aws.state.blobs import install as install_blobs
from local_aws.state.documents import Documents
from local_aws.state.store import StateStore

# Each is a module with `register(app: LocalAwsApp)`. A new service is one folder or module and one line here.
SERVICES = [
    "local_aws.services.accounts",
    "local_aws.services.events",
    "local_aws.services.iam",
    "local_aws.services.iam_limits",
    "local_aws.services.records",
    "local_aws.services.events.approvals",
    "local_aws.services.bucket_events",
    "local_aws.services.bucket_policies",
    "local_aws.services.group_policies",
    "local_aws.services.key_policies",
    "local_aws.services.functions",
    "local_aws.services.network",
    "local_aws.services.studio",
    "local_aws.services.endpoints",
    "local_aws.services.training",
    "local_aws.services.processing",
    "local_aws.services.tuning",
    "local_aws.services.transform",
    "local_aws.services.pipelines",
    "local_aws.services.codecommit",
    "local_aws.services.codebuild",
    "local_aws.services.cloudformation",
    "local_aws.services.codepipeline",
]

Handler = Callable[[dict, Callable], Iterable[bytes]]
log = logging.getLogger("local_aws")


class LocalAwsApp:
    """One local AWS. Services get it in `register` and may keep it.

    `lock` guards moto's state, which is not safe for threads: hold it while a backend is read or changed from
    a thread of one's own (API methods of moto's response classes run with it already held).
    """

    def __init__(self, home: Path):
        self.home = home
        self.blobs = BlobStore(home / "s3")
        install_blobs(self.blobs)
        self.s3 = S3Access(self, self.blobs)
        self.store: StateStore | None = None
        self.documents: Documents | None = None
        self.events: Any = None  # the delivery of EventBridge: services.events.emit
        self.functions: Any = None  # Lambda: services.functions.invoke
        self.codebuild: Any = None  # the builds: services.codebuild.start
        self.jobs: dict[str, Any] = {}  # JobApi of services.jobs by kind: Training, Processing, …
        self.endpoint_url = ""  # set as soon as the port is known
        self.account_id = ACCOUNT_ID
        self.region = DEFAULT_REGION
        self.lock = threading.RLock()
        self.fast_paths: list[tuple[re.Pattern, str, Handler]] = []
        self.status_sources: list[Callable[[], list[dict]]] = []
        self._starters: list[Callable[[], None]] = []
        self._stoppers: list[Callable[[], None]] = []

    # -- for services --------------------------------------------------------------------------------------
    def backend(self, service: str, account: str = ACCOUNT_ID, region: str = DEFAULT_REGION) -> Any:
        """moto's backend object of a service (`s3` and `iam` are global: the region does not matter)."""
        import moto.backends

        backends = moto.backends.get_backend(service)[account]
        return backends["aws" if "aws" in backends.regions else region]

    def on_start(self, function: Callable[[], None]) -> None:
        """Call it when the state is loaded and the address is known, before the first request."""
        self._starters.append(function)

    def on_stop(self, function: Callable[[], None]) -> None:
        """Call it when the server ends in an orderly way (stop, Ctrl-C, SIGTERM)."""
        self._stoppers.append(function)

    def before(self, path: str | re.Pattern, handler: Handler, service: str = "sagemaker") -> None:
        """A WSGI handler for requests signed for `service` whose path begins so: no moto, no lock, no state."""
        pattern = path if isinstance(path, re.Pattern) else re.compile(re.escape(path))
        self.fast_paths.append((pattern, service, handler))

    def status(self, source: Callable[[], list[dict]]) -> None:
        """`source()` lists what runs now as dicts with `kind`, `name`, `status`, `since` for `local-aws
        status`."""
        self.status_sources.append(source)

    def logs(
        self, group: str, stream: str, region: str = DEFAULT_REGION, account: str = ACCOUNT_ID
    ) -> LogStreamWriter:
        """A CloudWatch Logs stream to append lines to: `.write(["line", ...])`. Made when it does not
        exist."""
        return LogStreamWriter(self, group, stream, region, account)

    def s3_get(self, bucket: str, key: str) -> bytes:
        """An object's bytes. `NoSuchObject` (s3access) when there is none. More in `self.s3`."""
        return self.s3.get(bucket, key)

    def s3_put(self, bucket: str, key: str, data: bytes | Path) -> None:
        """Store bytes or a file's content; persisted on return."""
        self.s3.put(bucket, key, data)

    def s3_list(self, bucket: str, prefix: str = "") -> list[S3Object]:
        """Objects with `key`, `size`, `etag`, `path` (blob file to read) whose key starts with `prefix`."""
        return self.s3.list(bucket, prefix)

    def changed(self, service: str, account: str = ACCOUNT_ID, region: str = DEFAULT_REGION) -> None:
        """Persist this backend before returning. For changes made outside of an API request."""
        with self.lock:
            key = (service, account, "aws" if service in ("s3", "iam") else region)
            self.save([key])

    def save(self, keys: Iterable[tuple[str, str, str]], s3_key: tuple[str, str] | None = None) -> None:
        """Persist backends given as (service, account, region)."""
        if self.store is not None:
            self.store.save(keys, s3_key)

    def open_state(self) -> None:
        """Load what is on disk; from here on, changes are saved."""
        tracking.install()
        self.store = StateStore(self.home / "state.sqlite3", self.blobs)
        self.documents = Documents(self.home / "state.sqlite3")
        with self.lock:
            self.store.load()
            tracking.touched.clear()

    # -- for the server ------------------------------------------------------------------------------------
    def load_services(self) -> None:
        """Import every module in `SERVICES` and register it."""
        for name in SERVICES:
            import_module(name).register(self)

    def start(self) -> None:
        for function in self._starters:
            function()

    def stop(self) -> None:
        """Run every stopper, also when one of them fails."""
        for function in reversed(self._stoppers):
            try:
                function()
            except Exception:
                log.exception("a service did not stop cleanly")
