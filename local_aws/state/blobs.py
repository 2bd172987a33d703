"""S3 object bytes as immutable files below the home, instead of in moto's memory.

A blob is written once and never changed: a changed object gets a new blob. Blobs that no object refers to any
more are removed when the state that forgets them is on disk, so a crash in between loses nothing.
"""

import hashlib
import os
import secrets
import shutil
import threading
from pathlib import Path

_CHUNK = 4 * 2**20


class BlobStore:
    """Files named by a random id in 256 folders below `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder
        for first in range(256):
            (folder / f"{first:02x}").mkdir(parents=True, exist_ok=True)
        self._garbage: list[str] = []
        self._lock = threading.Lock()

    def path(self, blob: str) -> Path:
        return self.folder / blob[:2] / blob

    def write(self, data: bytes) -> str:
        """Store bytes; the id. A write that fails (full disk) leaves nothing behind."""
        blob = secrets.token_hex(16)
        path = self.path(blob)
        try:
            with path.open("xb") as out:
                out.write(data)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return blob

    def adopt(self, source: Path) -> str:
        """Move a finished file into the store; the id."""
        blob = secrets.token_hex(16)
        path = self.path(blob)
        try:
            os.rename(source, path)
        except OSError:  # another file system
            try:
                shutil.copyfile(source, path)
            except OSError:
                path.unlink(missing_ok=True)
                raise
            source.unlink()
        return blob

    def read(self, blob: str, offset: int = 0, size: int = -1) -> bytes:
        with self.path(blob).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def discard(self, blob: str) -> None:
        """Remove it after the next commit."""
        with self._lock:
            self._garbage.append(blob)

    def collect(self) -> None:
        """Remove what was discarded; called when the state that forgets it is on disk."""
        with self._lock:
            garbage, self._garbage = self._garbage, []
        for blob in garbage:
            self.path(blob).unlink(missing_ok=True)

    def sweep(self, known: set[str]) -> int:
        """Remove every file that is not in `known`; how many they were."""
        removed = 0
        for folder in self.folder.iterdir():
            if not folder.is_dir():  # a copy that a killed server had not finished
                folder.unlink()
                removed += 1
                continue
            for file in folder.iterdir():
                if file.name not in known:
                    file.unlink()
                    removed += 1
        return removed


def file_md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def install(store: BlobStore) -> None:
    """Make moto's S3 keys keep their bytes in `store`."""
    from moto.s3 import models

    key_class = models.FakeKey
    plain_init = key_class.__init__

    def init(self, *args, **kwargs):
        self._blob, self._range = None, None
        plain_init(self, *args, **kwargs)
        del self._value_buffer

    def get_value(self) -> bytes:
        if self._blob is None:
            return b""
        return store.read(self._blob, *(self._range or ()))

    def set_value(self, value) -> None:
        data = value.encode("utf-8") if isinstance(value, str) else bytes(value)
        self._blob, self._range = (store.write(data) if data else None), None
        self.contentsize = len(data)
        if self._etag is None:
            self._etag = hashlib.md5(data, usedforsecurity=False).hexdigest()

    def get_state(self) -> dict:
        return {k: v for k, v in self.__dict__.items() if k != "lock"}

    def set_state(self, state: dict) -> None:
        self.__dict__.update(state)
        self.lock = threading.Lock()

    def dispose(self, garbage: bool = False) -> None:
        if garbage or self.disposed:
            return
        self.disposed = True
        if self._blob is not None and self._range is None:
            store.discard(self._blob)
        if self.multipart:
            self.multipart.dispose()

    plain_put = models.S3Backend.put_object

    def put_object(self, *args, **kwargs):
        key = plain_put(self, *args, **kwargs)
        upload = key.multipart
        if upload is not None:
            _parts_into_whole(store, upload, key)
        return key

    key_class.__init__ = init
    key_class.value = property(get_value, set_value)
    key_class.etag = property(lambda self: f'"{self._etag}"')
    key_class.__getstate__, key_class.__setstate__ = get_state, set_state
    key_class.dispose = dispose
    models.S3Backend.put_object = put_object


def _parts_into_whole(store: BlobStore, upload, key) -> None:
    """The parts of a completed upload become ranges of the whole object: nothing is kept twice."""
    parts = [upload.parts[number] for number in upload.partlist]
    if key._blob is None or sum(p.contentsize for p in parts) != key.contentsize:
        return
    offset = 0
    for part in parts:
        if part._blob is not None and part._range is None:
            store.discard(part._blob)
        part._blob, part._range = key._blob, (offset, part.contentsize)
        offset += part.contentsize
