"""The state on disk: one SQLite file. A change is in it before its request is answered.

`backends`: one row a backend, its own attributes pickled, written when they differ. `s3_keys`: one row a
key, so that a put costs the same with one object or a hundred thousand. `log_events`: appended. One
transaction a request. SQLite's WAL survives kill -9; after a power cut the last moments may be missing.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from local_aws.config import LocalAwsError
from local_aws.state.blobs import BlobStore
from local_aws.state.pickling import BackendKey, Picklers, find_backend, live_backends, loads

FORMAT = "1"
_SCHEMA = """
create table if not exists meta (name text primary key, value text);
create table if not exists backends (
    service text, account text, region text, digest blob, data blob, primary key (service, account, region));
create table if not exists s3_keys (
    account text, region text, bucket text, name text, data blob,
    primary key (account, region, bucket, name)) without rowid;
create table if not exists log_events (
    account text, region text, log_group text, stream text, position integer,
    timestamp integer, ingestion integer, message text,
    primary key (account, region, log_group, stream, position)) without rowid;
"""


class StateStore:
    """Saves and loads moto's backends. Use it with the app's lock held."""

    def __init__(self, file: Path, blobs: BlobStore):
        self._blobs = blobs
        self._picklers = Picklers()
        self._digests: dict[BackendKey, bytes] = {}
        self._buckets: dict[tuple[str, str, str], Any] = {}  # (account, region, bucket) -> its key store
        try:
            self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=normal")
            self._db.executescript(_SCHEMA)
            self._db.execute("insert or ignore into meta values ('format', ?)", (FORMAT,))
            found = self._db.execute("select value from meta where name = 'format'").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise LocalAwsError(
                f"{file} cannot be used ({error}). Mend it, or forget it with: local-aws reset"
            ) from error
        if found != FORMAT:
            raise LocalAwsError(
                f"{file} was written by another version of local_aws (format {found}, this one has "
                f"{FORMAT}). "
                "Forget it with: local-aws reset"
            )

    # -- save ----------------------------------------------------------------------------------------------
    def save(self, keys: Iterable[BackendKey], s3_key: tuple[str, str] | None = None) -> None:
        """Put these backends, and those that they refer to, on disk. `s3_key`: (bucket, key) changed in
        place."""
        live = live_backends()
        waiting, done = [k for k in keys if k in live], set()
        rows, new_digests = [], {}
        extra: list[tuple[str, Any]] = []
        marks: list[tuple[Any, Any]] = []
        while waiting:
            key = waiting.pop()
            if key in done:
                continue
            done.add(key)
            backend = live[key]
            data, linked = self._picklers.dumps(backend.__dict__)
            waiting += [k for k in linked if k not in done]
            digest = hashlib.blake2b(data, digest_size=16).digest()
            if key not in self._digests:
                loads(data)  # what cannot be read back must not be acknowledged
            if self._digests.get(key) != digest:
                rows.append((*key, digest, data))
                new_digests[key] = digest
            if key[0] == "s3":
                self._s3_rows(key, backend, s3_key, extra, marks)
            elif key[0] == "logs":
                self._log_rows(key, backend, extra, marks)
        if not rows and not extra:
            return
        self._db.execute("begin immediate")
        try:
            self._db.executemany("insert or replace into backends values (?,?,?,?,?)", rows)
            for statement, values in extra:
                self._db.executemany(statement, values)
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise
        self._digests.update(new_digests)
        for settle, value in marks:
            settle(value)
        self._blobs.collect()

    def _s3_rows(self, key: BackendKey, backend: Any, s3_key: Any, extra: list, marks: list) -> None:
        _, account, region = key
        writes, removals, forgotten = [], [], []
        for (acc, reg, bucket), store in self._buckets.items():
            present = backend.buckets.get(bucket) if (acc, reg) == (account, region) else None
            if (acc, reg) == (account, region) and (present is None or present.keys is not store):
                forgotten.append((account, region, bucket))
        for name, bucket in backend.buckets.items():
            store = bucket.keys
            known = self._buckets.get((account, region, name)) is store
            names = set(store.__dict__.get("dirty", ())) if known else set(dict.keys(store))
            if s3_key and s3_key[0] == name:
                names.add(s3_key[1])
            for item in names:
                versions = store.getlist(item)
                if versions:
                    writes.append((account, region, name, item, self._picklers.dumps(versions)[0]))
                else:
                    removals.append((account, region, name, item))
            if names or not known:
                marks.append((self._settle_bucket, ((account, region, name), store)))
        if forgotten:
            extra.append(("delete from s3_keys where account=? and region=? and bucket=?", forgotten))
            marks.append((self._forget_buckets, [f for f in forgotten if f[2] not in backend.buckets]))
        if removals:
            extra.append(
                ("delete from s3_keys where account=? and region=? and bucket=? and name=?", removals)
            )
        if writes:
            extra.append(("insert or replace into s3_keys values (?,?,?,?,?)", writes))

    def _settle_bucket(self, entry: tuple[tuple[str, str, str], Any]) -> None:
        name, store = entry
        self._buckets[name] = store
        store.__dict__.pop("dirty", None)

    def _forget_buckets(self, names: list) -> None:
        for name in names:
            self._buckets.pop(name, None)

    @staticmethod
    def _log_rows(key: BackendKey, backend: Any, extra: list, marks: list) -> None:
        _, account, region = key
        rows, gone = [], []
        for group in backend.groups.values():
            for stream in group.streams.values():
                saved = stream.__dict__.get("_saved", 0)
                if saved == 0 or len(stream.events) < saved:  # new, or made anew under the same name
                    gone.append((account, region, group.name, stream.log_stream_name))
                    saved = 0
                for position, event in enumerate(stream.events[saved:], saved):
                    place = (account, region, group.name, stream.log_stream_name, position)
                    rows.append((*place, event.timestamp, event.ingestion_time, event.message))
                marks.append((lambda s: setattr(s[0], "_saved", s[1]), (stream, len(stream.events))))
        if gone:
            extra.append(
                ("delete from log_events where account=? and region=? and log_group=? and stream=?", gone)
            )
        if rows:
            extra.append(("insert or replace into log_events values (?,?,?,?,?,?,?,?)", rows))

    # -- load ----------------------------------------------------------------------------------------------
    def load(self) -> None:
        """Fill moto's backends with what is on disk. Raises `LocalAwsError` when it cannot be read."""
        blobs_known: set[str] = set()
        rows = self._db.execute("select service, account, region, digest, data from backends").fetchall()
        for service, account, region, digest, data in rows:
            key = (service, account, region)
            try:
                backend = find_backend(*key)
                state = loads(data)
            except Exception as error:
                raise LocalAwsError(
                    f"The state of {service} cannot be read ({type(error).__name__}: {error}); it was "
                    "probably written "
                    "by another version of moto. Forget all state with: local-aws reset"
                ) from error
            backend.__dict__.clear()
            backend.__dict__.update(state)
            self._digests[key] = digest
            if service == "s3":
                self._load_s3(key, backend, blobs_known)
            elif service == "logs":
                self._load_logs(key, backend)
        self._blobs.sweep(blobs_known)

    def _load_s3(self, key: BackendKey, backend: Any, blobs_known: set[str]) -> None:
        from moto.s3.models import s3_backends

        _, account, region = key
        select = "select bucket, name, data from s3_keys where account=? and region=?"
        for bucket, name, data in self._db.execute(select, (account, region)):
            if bucket in backend.buckets:
                versions = loads(data)
                dict.__setitem__(backend.buckets[bucket].keys, name, versions)
                for version in versions:
                    _note_blobs(version, blobs_known)
        for name, bucket in backend.buckets.items():
            s3_backends.bucket_accounts[name] = (region, account)
            self._buckets[account, region, name] = bucket.keys
            for upload in bucket.multiparts.values():
                for part in upload.parts.values():
                    _note_blobs(part, blobs_known)

    def _load_logs(self, key: BackendKey, backend: Any) -> None:
        from moto.logs.models import LogEvent

        _, account, region = key
        select = (
            "select timestamp, ingestion, message from log_events where account=? and region=? and "
            "log_group=? "
            "and stream=? order by position"
        )
        for group in backend.groups.values():
            for stream in group.streams.values():
                found = self._db.execute(select, (account, region, group.name, stream.log_stream_name))
                stream.events = [
                    LogEvent(ingestion, {"timestamp": timestamp, "message": message})
                    for timestamp, ingestion, message in found
                ]
                stream._saved = len(stream.events)

    def close(self) -> None:
        self._db.close()


def _note_blobs(item: Any, known: set[str]) -> None:
    if getattr(item, "_blob", None):
        known.add(item._blob)
    if upload := getattr(item, "multipart", None):
        for part in upload.parts.values():
            _note_blobs(part, known)
