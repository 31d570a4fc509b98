"""The register of a source of objects in the database, with the worklist of those not taken."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import psycopg

from tollbook.controls import audit
from tollbook.errors import Rejected, Transient
from tollbook.flow.capture.completeness.store import declare
from tollbook.flow.capture.objects import store
from tollbook.sdk.drops.place import DropObject
from tollbook.sdk.drops.register import Judged, ObjectState, Seen
from tollbook.sdk.drops.rule import lane_of
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock
from tollbook.worklist.store import clear_object, open_item


class ObjectRegister:
    """What is known of the objects of one source."""

    def __init__(self, source: str, database: Database, clock: Clock) -> None:
        self._source = source
        self._database = database
        self._clock = clock

    def seen(self, keys: Sequence[str]) -> Mapping[str, Sequence[Seen]]:
        """Return every version seen of these objects, the oldest first."""
        found: dict[str, list[Seen]] = {}
        with self._transaction() as connection:
            for row in store.objects_with_keys(connection, self._source, keys):
                found.setdefault(row[0], []).append(Seen(*row))
        return found

    def begin(self, found: DropObject, judged: Judged) -> None:
        """Note that rows of an object are taken from now on."""
        with self._transaction() as connection:
            store.put_object(connection, self._row(found, judged, "open", None))

    def count(
        self, transaction: object, lane: str, *, rows: int, counts: Mapping[str, int]
    ) -> None:
        """Add the answers to some rows in the transaction that stores them."""
        assert isinstance(transaction, psycopg.Connection), "the transaction is ours"
        store.add_counts(transaction, self._source, lane, rows=rows, counts=counts)

    def finish(self, found: DropObject) -> None:
        """Note that all rows of an object were answered, and clear the worklist of it.

        What its manifest says of completeness is declared for the source by its name, once all
        objects that belong to it are taken.
        """
        at = self._clock.now()
        with self._transaction() as connection:
            store.close_object(connection, self._source, lane_of(found), at=at)
            complete_until = store.declared_watermark(connection, self._source)
            if complete_until is not None:
                declare(
                    connection,
                    source=self._source,
                    complete_until=complete_until,
                    by=f"manifests of {self._source}",
                    at=at,
                )
            clear_object(
                connection, self._object_id(found), by="tollbook", resolution="it was taken", at=at
            )

    def stop(
        self, found: DropObject, judged: Judged, state: ObjectState, failure: Rejected
    ) -> None:
        """Note why an object is not taken (on), and put it on the worklist for that reason alone."""
        at = self._clock.now()
        object_id = self._object_id(found)
        with self._transaction() as connection:
            store.put_object(connection, self._row(found, judged, state, failure))
            clear_object(
                connection,
                object_id,
                by="tollbook",
                resolution=f"now {state}: {failure.code}",
                at=at,
            )
            open_item(
                connection,
                code=failure.code,
                cause=object_id,
                message=f"{found.key} of source {self._source}: {failure.message}",
                objects=[object_id],
                at=at,
            )

    def _row(
        self, found: DropObject, judged: Judged, state: ObjectState, failure: Rejected | None
    ) -> store.SourceObject:
        return store.SourceObject(
            source=self._source,
            lane=lane_of(found),
            place=judged.place,
            key=found.key,
            version=found.version,
            size=found.size,
            modified_at=found.modified_at,
            sha256=judged.sha256,
            said_by=judged.said_by,
            complete_up_to=judged.complete_up_to,
            state=state,
            rows=0,
            accepted=0,
            duplicates=0,
            conflicts=0,
            rejected=0,
            ignored=0,
            first_seen_at=self._clock.now(),
            done_at=None,
            code=failure.code if failure else "",
            message=failure.message if failure else "",
            notice=judged.notice,
        )

    def _object_id(self, found: DropObject) -> str:
        return f"{self._source}:{found.key}"

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._database.transaction() as connection:
                yield connection
        except psycopg.OperationalError as error:
            raise Transient(
                "capture.positions_unknown",
                "The database does not answer where to go on: the source waits for it.",
            ) from error


def retry_object(
    connection: Connection, *, source: str, key: str, by: str, reason: str, at: datetime
) -> int:
    """Let the next look at the place judge an object again; returns how many versions of it."""
    if not reason.strip():
        raise Rejected("capture.reason_missing", "Say why: the reason goes into the audit trail.")
    reopened = store.reopen_objects(connection, source, key)
    if not reopened:
        raise Rejected(
            "capture.no_such_object", f"{source} has no object {key} that was not taken."
        )
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.retry_object",
        object_id=f"{source}:{key}",
        reason=reason,
        before=", ".join(reopened),
    )
    return len(reopened)
