"""The SQL of master data versions."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any

from psycopg.types.json import Jsonb

from tollbook.masterdata.catalog import KINDS, Catalog, Version
from tollbook.storage.database import Connection
from tollbook.values.codec import from_exact_json, to_builtins


def load_catalog(
    connection: Connection, *, known_at: datetime, only: tuple[str, str] | None = None
) -> Catalog:
    """Read all master data that was decided by an instant, or `only` one (kind, key) of it."""
    kind, key = only or (None, None)
    versions: dict[tuple[str, str], list[Version]] = defaultdict(list)
    rows = connection.execute(
        """select kind, key, version, effective_from, document::text, content_hash
           from master_version
           where decided_at <= %(known_at)s and (%(kind)s::text is null or kind = %(kind)s)
             and (%(key)s::text is null or key = %(key)s)
           order by kind, key, version""",
        {"known_at": known_at, "kind": kind, "key": key},
    )
    for kind, key, number, effective_from, document, content_hash in rows:
        record: Any = from_exact_json(document, KINDS[kind])
        versions[kind, key].append(Version(kind, key, number, effective_from, record, content_hash))
    return Catalog(known_at, {key: tuple(found) for key, found in versions.items()})


def insert_version(
    connection: Connection, version: Version, *, decided_at: datetime, decided_by: str
) -> None:
    """Store a new version; the primary key refuses a number that is taken."""
    connection.execute(
        """insert into master_version (kind, key, version, effective_from, document, content_hash,
                                       decided_at, decided_by)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            version.kind,
            version.key,
            version.version,
            version.effective_from,
            Jsonb(to_builtins(version.record)),
            version.content_hash,
            decided_at,
            decided_by,
        ],
    )


def read_crosswalk(connection: Connection) -> list[tuple[str, str, date | None, date | None]]:
    """Return the present crosswalk as rows of `replace_crosswalk`, in order."""
    rows = connection.execute(
        """select subject, customer_id, lower(valid)::date, upper(valid)::date
           from subject_crosswalk order by subject, valid, customer_id"""
    )
    return [(subject, customer, start, end) for subject, customer, start, end in rows]


def replace_crosswalk(
    connection: Connection,
    rows: list[tuple[str, str, date | None, date | None]],
    *,
    moved: Collection[str] = (),
    known_from: int = 0,
) -> None:
    """Let each subject mean the customer of its rows; (subject, customer, from, until-excluded).

    What `moved` subjects meant before is kept as known with the receipts before `known_from`.
    """
    before = read_crosswalk(connection)
    ended, begun = set(before) - set(rows), set(rows) - set(before)
    key = """subject = %s and customer_id = %s
             and valid = tstzrange(%s::date::timestamptz, %s::date::timestamptz, '[)')"""
    with connection.cursor() as cursor:
        cursor.executemany(
            f"""insert into subject_crosswalk_past
                    (subject, customer_id, valid, known_from, known_until)
                select subject, customer_id, valid, known_from, %s from subject_crosswalk
                where {key} and known_from < %s""",
            [(known_from, *row, known_from) for row in _in_order(ended) if row[0] in moved],
        )
        cursor.executemany(f"delete from subject_crosswalk where {key}", _in_order(ended))
        cursor.executemany(
            """insert into subject_crosswalk (subject, customer_id, valid, known_from)
               values (%s, %s, tstzrange(%s::date::timestamptz, %s::date::timestamptz, '[)'), %s)""",
            [(*row, known_from if row[0] in moved else 0) for row in _in_order(begun)],
        )
    # Counting from the events joins it: without figures the server may compare each with each.
    connection.execute("analyze subject_crosswalk")


def _in_order(
    rows: Iterable[tuple[str, str, date | None, date | None]],
) -> list[tuple[str, str, date | None, date | None]]:
    return sorted(rows, key=lambda row: (row[0], row[2] or date.min, row[1]))
