"""The SQL of master data versions."""

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from psycopg.types.json import Jsonb

from tollbook.masterdata.catalog import KINDS, Catalog, Version
from tollbook.storage.database import Connection
from tollbook.values.codec import from_builtins, to_builtins


def load_catalog(
    connection: Connection, *, known_at: datetime, only: tuple[str, str] | None = None
) -> Catalog:
    """Read all master data that was decided by an instant, or `only` one (kind, key) of it."""
    kind, key = only or (None, None)
    versions: dict[tuple[str, str], list[Version]] = defaultdict(list)
    rows = connection.execute(
        """select kind, key, version, effective_from, document, content_hash
           from master_version
           where decided_at <= %(known_at)s and (%(kind)s::text is null or kind = %(kind)s)
             and (%(key)s::text is null or key = %(key)s)
           order by kind, key, version""",
        {"known_at": known_at, "kind": kind, "key": key},
    )
    for kind, key, number, effective_from, document, content_hash in rows:
        record: Any = from_builtins(document, KINDS[kind])
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
    connection: Connection, rows: list[tuple[str, str, date | None, date | None]]
) -> None:
    """Rebuild which customer each subject means; (subject, customer, from, until-excluded)."""
    connection.execute("delete from subject_crosswalk")
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into subject_crosswalk (subject, customer_id, valid)
               values (%s, %s, tstzrange(%s::date::timestamptz, %s::date::timestamptz, '[)'))""",
            rows,
        )
    # Counting from the events joins it: without figures the server may compare each with each.
    connection.execute("analyze subject_crosswalk")
