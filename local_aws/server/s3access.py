"""S3 without HTTP, for services in this process: they move files, not bytes, in and out of the blob store."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.config import ACCOUNT_ID
from local_aws.state.blobs import BlobStore, file_md5


class NoSuchObject(LookupError):
    """The bucket or the key does not exist; the message names the S3 URI."""


@dataclass(frozen=True)
class S3Object:
    """`key`, `size` in bytes, `etag` without quotes, and the blob's file (None when empty): read it, never
    write."""

    key: str
    size: int
    etag: str
    path: Path | None


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` -> (bucket, key). ValueError for anything else."""
    if not uri.startswith("s3://") or not uri[5:].split("/", 1)[0]:
        raise ValueError(f"{uri!r} is no S3 URI: it must look like s3://bucket/key")
    bucket, _, key = uri[5:].partition("/")
    return bucket, key


def copy_file(source: Path | None, target: Path, size: int) -> None:
    """Copy a blob: in the kernel, sharing blocks where the file system can (no link: a job may write its
    copy)."""
    with target.open("wb") as out:
        if source is None or size == 0:
            return
        with source.open("rb") as data:
            left = size
            while left:
                try:
                    copied = os.copy_file_range(data.fileno(), out.fileno(), left)
                except OSError as error:
                    if left == size and error.errno in (18, 22, 38, 95):  # EXDEV, EINVAL, ENOSYS, EOPNOTSUPP
                        copied = os.sendfile(out.fileno(), data.fileno(), size - left, left)
                    else:
                        raise
                if copied == 0:
                    raise OSError(f"{source} ended early")
                left -= copied


class S3Access:
    """Reads and writes moto's S3 backend; takes the app's lock itself."""

    def __init__(self, app: Any, blobs: BlobStore):
        self._app, self._blobs = app, blobs

    def _backend(self, bucket: str):
        """The backend of the account that owns the bucket: bucket names are unique over all accounts."""
        return self._app.backend("s3", self._owner(bucket))

    @staticmethod
    def _owner(bucket: str) -> str:
        from moto.s3.models import s3_backends

        return s3_backends.bucket_accounts.get(bucket, ("aws", ACCOUNT_ID))[1]

    def _object(self, key: Any) -> S3Object:
        path = self._blobs.path(key._blob) if key._blob else None
        return S3Object(key.name, key.contentsize, key._etag, path)

    def _current(self, bucket: str) -> Iterator[Any]:
        backend = self._backend(bucket)
        if bucket not in backend.buckets:
            raise NoSuchObject(f"s3://{bucket}: the bucket does not exist")
        keys = backend.buckets[bucket].keys
        for name in sorted(keys):
            version = keys[name]
            if hasattr(version, "_blob"):  # not a delete marker
                yield version

    def list(self, bucket: str, prefix: str = "") -> list[S3Object]:
        """Current objects whose key starts with `prefix`, sorted. NoSuchObject when there is no such
        bucket."""
        with self._app.lock:
            return [self._object(k) for k in self._current(bucket) if k.name.startswith(prefix)]

    def head(self, bucket: str, key: str) -> S3Object:
        with self._app.lock:
            backend = self._backend(bucket)
            found = backend.buckets[bucket].keys.get(key) if bucket in backend.buckets else None
            if found is None or not hasattr(found, "_blob"):
                raise NoSuchObject(f"s3://{bucket}/{key}: no such object")
            return self._object(found)

    def get(self, bucket: str, key: str) -> bytes:
        item = self.head(bucket, key)
        return item.path.read_bytes() if item.path else b""

    def download(self, bucket: str, key: str, target: Path) -> S3Object:
        """Write the object's bytes to `target`."""
        item = self.head(bucket, key)
        copy_file(item.path, target, item.size)
        return item

    def put(self, bucket: str, key: str, data: bytes | Path, move: bool = False) -> None:
        """Store bytes, or a file's content (`move`: the file may be taken instead of copied). Persisted on
        return."""
        if isinstance(data, Path):
            size, etag = data.stat().st_size, file_md5(data)
            if move:
                blob = self._blobs.adopt(data)
            else:
                copy = self._blobs.folder / f"incoming-{os.getpid()}-{id(data)}"
                try:
                    copy_file(data, copy, size)
                    blob = self._blobs.adopt(copy)
                finally:
                    copy.unlink(missing_ok=True)
        with self._app.lock:
            backend = self._backend(bucket)
            if bucket not in backend.buckets:
                raise NoSuchObject(f"s3://{bucket}: the bucket does not exist")
            if isinstance(data, Path):
                stored = backend.put_object(bucket, key, b"", etag=etag)
                stored._blob, stored.contentsize = (blob if size else None), size
            else:
                backend.put_object(bucket, key, data)
            self._app.changed("s3", self._owner(bucket))
