"""The SQLite file behind the simulator: documents, commits, master data, settings, counts."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tollbook.simulators.netsuite.catalog import NUMBER_PREFIXES, TYPE_CODES
from tollbook.simulators.netsuite.wire import JsonObject, dump, instant, parse, plain

FIRST_ID: Final = 1001

_SCHEMA: Final = """
create table if not exists setting (name text primary key, value text not null);
create table if not exists sequence (name text primary key, last integer not null);
create table if not exists fault_count (name text primary key, fired integer not null);
create table if not exists master (
    kind text not null, id text not null, external_id text, name text not null,
    body text not null, primary key (kind, id));
create index if not exists master_external on master (kind, external_id);
create table if not exists document (
    id integer primary key, record text not null, type text not null, external_id text,
    tran_id text not null, tran_date text not null, posting_period text, entity text,
    currency text not null, subsidiary text not null, total text not null,
    amount_paid text not null, amount_remaining text not null, status text, memo text,
    created_date text not null, modified_date text not null, body text not null);
create index if not exists document_external on document (external_id, record);
create table if not exists commit_log (
    seq integer primary key, record text not null, external_id text, document_id text not null,
    action text not null, committed_at text not null);
create index if not exists commit_log_external on commit_log (record, external_id);
"""
_AMOUNTS: Final = ("total", "amount_paid", "amount_remaining")  # kept as text, exactly


@dataclass(frozen=True)
class Row:
    """One master record: a customer, an item, a period."""

    kind: str
    id: str
    external_id: str | None
    name: str
    body: JsonObject


@dataclass(frozen=True)
class Document:
    """One committed transaction."""

    id: str
    record: str
    external_id: str | None
    tran_id: str
    tran_date: str
    posting_period: str | None
    entity: str | None
    currency: str
    subsidiary: str
    total: Decimal
    amount_paid: Decimal
    amount_remaining: Decimal
    status: str | None
    memo: str | None
    created_date: str
    modified_date: str
    body: JsonObject


_NAMES: Final = tuple(each.name for each in fields(Document))
_COLUMNS: Final = ", ".join(_NAMES)


def _document(row: tuple[Any, ...]) -> Document:
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    for name in _AMOUNTS:
        values[name] = Decimal(values[name])
    values |= {"id": str(values["id"]), "body": parse(values["body"].encode())}
    return Document(**values)


def display_name(body: JsonObject) -> str:
    """Return what NetSuite would show as `refName` of a master record."""
    for field in ("companyName", "itemId", "acctName", "periodName", "name", "entityId"):
        if body.get(field):
            return str(body[field])
    return str(body.get("id", ""))


class Store:
    """One connection to the state file, one writer at a time."""

    def __init__(self, path: str | Path | None) -> None:
        """Open or create the state; without a path it lives in memory."""
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            str(path or ":memory:"), isolation_level=None, check_same_thread=False
        )
        # With a write-ahead log a commit survives kill -9 of this process (not a power cut).
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute("pragma case_sensitive_like = on")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one transaction: all of it is kept, or none."""
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def query(self, sql: str, parameters: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        with self._lock:
            return self._db.execute(sql, tuple(parameters)).fetchall()

    # Settings and counts

    def setting(self, name: str) -> Any:
        """Return a stored setting, or None."""
        rows = self.query("select value from setting where name = ?", [name])
        return parse(rows[0][0].encode()) if rows else None

    def put_setting(self, name: str, value: object) -> None:
        """Store a setting."""
        self.query("insert or replace into setting values (?, ?)", [name, dump(value)])

    def next_number(self, name: str, first: int = FIRST_ID) -> int:
        """Return the next number of a sequence."""
        sql = (
            "insert into sequence values (?, ?) on conflict (name)"
            " do update set last = last + 1 returning last"
        )
        return int(self.query(sql, [name, first])[0][0])

    def count_fault(self, name: str) -> None:
        """Add one to the firings of a fault; they are kept across restarts."""
        sql = (
            "insert into fault_count values (?, 1)"
            " on conflict (name) do update set fired = fired + 1"
        )
        self.query(sql, [name])

    def fault_counts(self) -> dict[str, int]:
        """Return how often each fault fired."""
        return dict(self.query("select name, fired from fault_count order by name"))

    def clear(self) -> None:
        """Forget documents, commits, numbers and counts; keep master data and settings."""
        with self.transaction():
            for table in ("document", "commit_log", "sequence", "fault_count"):
                self.query(f"delete from {table}")  # noqa: S608 - fixed names

    # Master data

    def find(self, kind: str, *, id_: str | None, external_id: str | None) -> Row | None:
        """Return the first master record with this id, or else with this external id."""
        if kind == "transaction":
            return self._transaction_row(id_, external_id)
        column, key = ("id", id_) if id_ is not None else ("external_id", external_id)
        sql = f"select * from master where kind = ? and {column} = ? order by cast(id as integer)"  # noqa: S608
        rows = self.query(sql + " limit 1", [kind, key])
        return _row(rows[0]) if rows else None

    def _transaction_row(self, id_: str | None, external_id: str | None) -> Row | None:
        column, key = ("id", id_) if id_ is not None else ("external_id", external_id)
        rows = self.query(
            f"select {_COLUMNS} from document where {column} = ? order by id limit 1",  # noqa: S608
            [key],
        )
        if not rows:
            return None
        found = _document(rows[0])
        return Row(found.record, found.id, found.external_id, found.tran_id, {"id": found.id})

    def rows(self, kind: str) -> list[Row]:
        """Return all master records of a kind."""
        sql = "select * from master where kind = ? order by cast(id as integer), id"
        return [_row(row) for row in self.query(sql, [kind])]

    def has(self, kind: str) -> bool:
        """Tell whether there is any master record of a kind."""
        return bool(self.query("select 1 from master where kind = ? limit 1", [kind]))

    def put_row(self, kind: str, body: JsonObject) -> str:
        """Insert or merge a master record, found by id or else by external id; return its id."""
        external_id = body.get("externalId")
        id_ = str(body["id"]) if body.get("id") is not None else None
        known = None
        if id_ is not None or external_id is not None:
            known = self.find(kind, id_=id_, external_id=external_id)
        id_ = known.id if known else id_ or self.next_row_id(kind)
        merged = {**(known.body if known else {}), **body, "id": id_}
        self.query(
            "insert or replace into master values (?, ?, ?, ?, ?)",
            [kind, id_, merged.get("externalId"), display_name(merged), dump(merged)],
        )
        return id_

    def next_row_id(self, kind: str) -> str:
        """Return a free id for a master record."""
        sql = "select coalesce(max(cast(id as integer)), 0) + 1 from master where kind = ?"
        return str(self.query(sql, [kind])[0][0])

    # Documents

    def document_by(self, record: str, key: str, *, is_external: bool) -> Document | None:
        """Return the first document of a record type by internal or external id."""
        column = "external_id" if is_external else "id"
        sql = (
            f"select {_COLUMNS} from document where {column} = ? and record = ?"  # noqa: S608
            " order by id limit 1"
        )
        rows = self.query(sql, [key, record])
        return _document(rows[0]) if rows else None

    def next_tran_id(self, record: str) -> str:
        """Return the next document number of a record type."""
        return f"{NUMBER_PREFIXES[record]}{self.next_number(record)}"

    def put_document(self, document: Document, action: str) -> None:
        """Write a document, new or changed, and log the commit."""
        values: dict[str, Any] = dict(vars(document))
        for name in _AMOUNTS:
            values[name] = plain(values[name])
        values |= {"body": dump(document.body), "type": TYPE_CODES[document.record]}
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        self.query(
            f"insert or replace into document ({names}) values ({marks})",  # noqa: S608
            values.values(),
        )
        self.log_commit(document.record, document.external_id, document.id, action)

    def log_commit(self, record: str, external_id: str | None, id_: str, action: str) -> None:
        """Note that a document was created or updated; the oracle of the duplicate tests."""
        self.query(
            "insert into commit_log (record, external_id, document_id, action, committed_at)"
            " values (?, ?, ?, ?, ?)",
            [record, external_id, id_, action, instant()],
        )

    def commits(self) -> list[tuple[str, str | None, str, str]]:
        """Return every commit in order: record, external id, internal id, action."""
        sql = "select record, external_id, document_id, action from commit_log order by seq"
        return self.query(sql)

    def documents(self) -> list[Document]:
        """Return every document in order of commit."""
        sql = f"select {_COLUMNS} from document order by id"  # noqa: S608 - fixed names
        return [_document(row) for row in self.query(sql)]


def _row(row: tuple[Any, ...]) -> Row:
    kind, id_, external_id, name, body = row
    return Row(kind, id_, external_id, name, parse(body.encode()))
