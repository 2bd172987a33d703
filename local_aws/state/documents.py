"""JSON documents of services that moto has no place for: waiting events, pipeline executions.

They are in the state's SQLite file, over a connection of their own: writing one needs no lock of the app, and
costs the same however many there are (a backend is pickled as a whole).
"""

import json
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCHEMA = """
create table if not exists documents (
    position integer primary key autoincrement, kind text not null, account text not null,
    region text not null, name text not null, data text not null);
create unique index if not exists documents_name on documents (kind, account, region, name);
"""
_PUT = """
insert into documents (kind, account, region, name, data) values (?,?,?,?,?)
on conflict (kind, account, region, name) do update set data = excluded.data
"""
_REMOVE = "delete from documents where kind = ? and account = ? and region = ? and name = ?"


@dataclass(frozen=True)
class Document:
    """`value` is anything that JSON holds. The first four fields are its key."""

    kind: str
    account: str
    region: str
    name: str
    value: Any = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.kind, self.account, self.region, self.name


class Documents:
    """Safe for threads. What `write` was given is on disk when it returns."""

    def __init__(self, file: Path):
        self._lock = threading.Lock()
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=60)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=normal")
        self._db.executescript(_SCHEMA)

    def write(self, put: Iterable[Document] = (), remove: Iterable[Document] = ()) -> None:
        """Store and forget documents, all of them or none. A known key keeps its place in the order."""
        rows = [(*d.key, json.dumps(d.value)) for d in put]
        keys = [d.key for d in remove]
        with self._lock:
            self._db.execute("begin immediate")
            try:
                self._db.executemany(_PUT, rows)
                self._db.executemany(_REMOVE, keys)
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    def all(self, kind: str) -> list[Document]:
        """Every document of a kind, in the order in which they were first written."""
        select = "select kind, account, region, name, data from documents where kind = ? order by position"
        with self._lock:
            rows = self._db.execute(select, (kind,)).fetchall()
        return [Document(*row[:4], json.loads(row[4])) for row in rows]
