"""The SQL of metered usage, and what is behind it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from tollbook.errors import Rejected
from tollbook.flow.meter.definition import Counted, Parts, finish
from tollbook.flow.meter.events import store as events
from tollbook.flow.meter.events.store import EventBehind, Group
from tollbook.flow.meter.progress import store as progress
from tollbook.flow.meter.reading import store as reading
from tollbook.flow.meter.sealed.store import Engine
from tollbook.flow.meter.window import Question, Window, question, usage_of, windows
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.store import load_catalog
from tollbook.records.usage import EMPTY_DIGEST, MeteredUsage
from tollbook.storage.database import Connection
from tollbook.values.ids import CustomerId, MeterId, UsageId, event_digest, read_event_id
from tollbook.values.period import Month, Period
from tollbook.values.zone import instants

_USAGE_COLUMNS: Final = """
    m.usage_id, m.customer_id, m.contract_id, m.contract_version, m.product_id, m.meter_id,
    m.meter_version, m.where_equal, m.starts_at, m.ends_at, m.quantity, m.event_count, m.digest,
    m.through_receipt, m.zone"""

_STREAMED_ROWS: Final = 10_000

# Windows to look for, as a table, and what of a customer's summaries is in one of them.
_WINDOWS: Final = """
    unnest(%(customer)s::text[], %(meter)s::text[], %(where)s::jsonb[], %(start)s::timestamptz[],
           %(end)s::timestamptz[]) as w (customer_id, meter_id, where_equal, starts_at, ends_at)"""

_IN_WINDOW: Final = """
    u.customer_id = w.customer_id and u.meter_id = w.meter_id and u.hour >= w.starts_at
    and u.hour < w.ends_at and u.dimensions @> w.where_equal"""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Usage of a customer that no product of a contract in force covers."""

    customer_id: str
    meter_id: str
    dimensions: dict[str, str]
    event_count: int


def count_windows(connection: Connection, windows: Sequence[Window]) -> list[Counted]:
    """Count each window from the summaries, in the order given."""
    found = answer(connection, [window.asked for window in windows], with_deltas=False)
    return [groups.get((), Counted()) for groups in found]


def answer(
    connection: Connection,
    questions: Sequence[Question],
    *,
    with_deltas: bool,
    group_by: Sequence[str] = (),
    until: datetime | None = None,
) -> list[dict[Group, Counted]]:
    """Count each window, by the dimensions asked for; a group with no usage is left out.

    From the summaries, or where its edges are inside buckets from the events, through the same
    receipt: all that this transaction sees when deltas are wanted too. `until` is when the gauges
    of a window that has not ended yet are cut off.
    """
    minutes = progress.bucket_minutes_kept(connection)
    through = None if with_deltas else progress.summarized_through(connection)
    read = [asked for asked in questions if _is_on_edges(asked.period, minutes)]
    found = iter(reading.parts_of(connection, read, with_deltas=with_deltas, group_by=group_by))
    answers = []
    for asked in questions:
        if _is_on_edges(asked.period, minutes):
            parts = next(found)
        elif not asked.customer_id:
            raise Rejected(
                "meter.unclear_time",
                f"Usage of all customers is kept by {minutes} minutes: ask for a time that begins "
                "and ends there, or for one customer.",
            )
        else:
            [parts] = events.parts_of(connection, [asked], through=through, group_by=group_by)
        answers.append(_finished(asked, parts, until))
    return answers


def uncovered(
    connection: Connection,
    windows: Sequence[Window],
    month: Month,
    meter_ids: Sequence[str],
    *,
    zones: Mapping[str, str],
) -> list[Uncovered]:
    """Return the month's usage of these meters that is in none of the windows, in order.

    `zones` says in which zone a customer's month begins, where that is not UTC.
    """
    months = [instants(month.period, zone) for zone in zones.values()]
    rows = connection.execute(
        f"""select u.customer_id, u.meter_id, u.dimensions, sum(u.events)::bigint
            from usage_of_meter u
            left join unnest(%(zoned)s::text[], %(zoned_from)s::timestamptz[],
                             %(zoned_until)s::timestamptz[]) as z (customer_id, starts_at, ends_at)
                on z.customer_id = u.customer_id
            where u.hour >= coalesce(z.starts_at, %(from)s)
              and u.hour < coalesce(z.ends_at, %(until)s) and u.meter_id = any(%(meters)s)
              and not exists (select from {_WINDOWS} where {_IN_WINDOW})
            group by 1, 2, 3 order by 1, 2, 3""",
        {
            "customer": [window.contract.customer_id for window in windows],
            "meter": [window.meter.meter_id for window in windows],
            "where": [Jsonb(dict(window.product.where)) for window in windows],
            "start": [window.asked.period.start for window in windows],
            "end": [window.asked.period.end for window in windows],
            "zoned": list(zones),
            "zoned_from": [period.start for period in months],
            "zoned_until": [period.end for period in months],
            "from": month.period.start,
            "until": month.period.end,
            "meters": list(meter_ids),
        },
    )
    return [Uncovered(*row) for row in rows]


def latest_usages(connection: Connection, month: Month) -> list[MeteredUsage]:
    """Return the usages that end in a month and that no later one replaces.

    By contract, product and start.
    """
    return _usages(
        connection,
        """m.ends_at > %(from)s and m.ends_at <= %(until)s
           and not exists (select from metered_usage n where n.replaces = m.usage_id)""",
        {"from": month.period.start, "until": month.period.end},
    )


def stream_usages(
    connection: Connection, month: Month, contract_ids: Sequence[str]
) -> Iterator[MeteredUsage]:
    """Yield the `latest_usages` of some contracts, in order of contract (as Python sorts it).

    Read piece by piece: however many there are, few are held at a time.
    """
    # Room to join and sort a month of everybody in memory, for this transaction.
    connection.execute("set local work_mem = '64MB'")
    with connection.cursor(name="stream_usages") as cursor:
        cursor.itersize = _STREAMED_ROWS
        cursor.execute(
            f"""select {_USAGE_COLUMNS} from metered_usage m
                where m.contract_id = any(%(contracts)s)
                  and m.ends_at > %(from)s and m.ends_at <= %(until)s
                  and not exists (select from metered_usage n where n.replaces = m.usage_id)
                order by m.contract_id collate "C", m.product_id collate "C", m.starts_at,
                         m.decided_at, m.usage_id""",
            {
                "contracts": list(contract_ids),
                "from": month.period.start,
                "until": month.period.end,
            },
        )
        for row in cursor:
            yield _usage(row)


def usages_of_windows(
    connection: Connection, windows: Sequence[tuple[str, str, Period]]
) -> list[MeteredUsage]:
    """Return the latest usages of windows (contract, product, period) of any month."""
    if not windows:
        return []
    return _usages(
        connection,
        """(m.contract_id, m.product_id, m.starts_at, m.ends_at) in (
               select * from unnest(%(contracts)s::text[], %(products)s::text[],
                                    %(starts)s::timestamptz[], %(ends)s::timestamptz[]))
           and not exists (select from metered_usage n where n.replaces = m.usage_id)""",
        {
            "contracts": [contract_id for contract_id, _, _ in windows],
            "products": [product_id for _, product_id, _ in windows],
            "starts": [period.start for _, _, period in windows],
            "ends": [period.end for _, _, period in windows],
        },
    )


def usages_by_id(connection: Connection, usage_ids: Sequence[str]) -> list[MeteredUsage]:
    """Return these usages, replaced ones too, by contract, product and start."""
    return _usages(connection, "m.usage_id = any(%(ids)s)", {"ids": list(usage_ids)})


def insert_usages(
    connection: Connection,
    usages: Iterable[tuple[MeteredUsage, UsageId | None]],
    *,
    at: datetime,
) -> None:
    """Store usages, each with the one it replaces."""
    with connection.cursor().copy(
        """copy metered_usage (usage_id, customer_id, contract_id, contract_version, product_id,
                               meter_id, meter_version, where_equal, starts_at, ends_at, quantity,
                               event_count, digest, through_receipt, replaces, decided_at, zone)
           from stdin"""
    ) as copy:
        for usage, replaces in usages:
            copy.write_row(
                (
                    usage.usage_id,
                    usage.customer_id,
                    usage.contract_id,
                    usage.contract_version,
                    usage.product_id,
                    usage.meter_id,
                    usage.meter_version,
                    Jsonb(dict(usage.where or {})),
                    usage.period.start,
                    usage.period.end,
                    usage.quantity,
                    usage.event_count,
                    usage.digest,
                    usage.through_receipt,
                    replaces,
                    at,
                    usage.zone,
                )
            )


def all_latest_usages(connection: Connection) -> list[MeteredUsage]:
    """Return the usages of all months that no later one replaces, by contract, product, start."""
    return _usages(
        connection,
        "not exists (select from metered_usage n where n.replaces = m.usage_id)",
        {},
    )


def decided_at(connection: Connection, usage_id: str) -> datetime:
    """Return when a stored usage was decided."""
    row = connection.execute(
        "select decided_at from metered_usage where usage_id = %s", [usage_id]
    ).fetchone()
    assert row is not None, f"{usage_id} is stored"
    found: datetime = row[0]
    return found


def recount(
    connection: Connection, usage: MeteredUsage, *, catalog: Catalog | None = None
) -> Counted:
    """Count a usage again straight from its events, as known through its receipt.

    The summaries take no part, so this checks them. Without `catalog`, by the meter as it was known
    when the usage was decided.
    """
    asked = _asked(catalog, usage) if catalog else _asked_as_known(connection, usage)
    return _recount(connection, [usage], [asked])[0]


def recount_as_known(
    connection: Connection, usages: Iterable[MeteredUsage], *, engine: Engine | None = None
) -> list[tuple[MeteredUsage, Counted]]:
    """Count stored usages again from their events, by the meters known when each was decided.

    Usages that one meter counted as known at one time are counted in one pass, by the engine that
    is named, or else in files where days are sealed.
    """
    alike: dict[tuple[int, str], list[tuple[MeteredUsage, Question | None]]] = defaultdict(list)
    for usage in usages:
        asked = _asked_as_known(connection, usage)
        alike[usage.through_receipt, repr(asked and asked.spans)].append((usage, asked))
    return [
        pair
        for together in alike.values()
        for pair in zip(
            [usage for usage, _ in together],
            _recount(connection, *map(list, zip(*together, strict=True)), engine=engine),
            strict=True,
        )
    ]


def content_digest_as_known(connection: Connection, usage: MeteredUsage) -> str:
    """Return the digest of the events behind a stored usage, hashed anew from their content.

    A recount believes the stored hashes; this finds an event that was changed after it was taken.
    """
    asked = _asked_as_known(connection, usage)
    if asked is None:
        return EMPTY_DIGEST
    return events.content_digest(connection, asked, through=usage.through_receipt)


def raw_usage(
    connection: Connection, *, catalog: Catalog, month: Month, through_receipt: int | None = None
) -> list[MeteredUsage]:
    """Return the usage of every contract segment and product of a month, counted from the events.

    Without `through_receipt`, as known through what the summaries hold. One pass a meter and zone.
    """
    through = (
        progress.summarized_through(connection) if through_receipt is None else through_receipt
    )
    alike: dict[str, list[Window]] = defaultdict(list)
    for window in windows(catalog, month):
        alike[repr(window.asked.spans)].append(window)
    usages = []
    for wanted in alike.values():
        questions = [window.asked for window in wanted]
        for window, parts in zip(
            wanted, events.parts_of(connection, questions, through=through), strict=True
        ):
            counted = _finished(window.asked, parts, None).get((), Counted())
            usages.append(usage_of(window, counted, through_receipt=through))
    return usages


def events_behind(
    connection: Connection, usage_id: str, *, limit: int, after: str | None = None
) -> list[EventBehind]:
    """Return the events that a stored usage counts, from the one after our event id `after` on."""
    first = UUID(bytes=read_event_id(after)) if after is not None else UUID(int=0)
    found = []
    for usage in usages_by_id(connection, [usage_id]):
        asked = _asked_as_known(connection, usage)
        if asked is not None:
            through = usage.through_receipt
            found += events.counted(connection, asked, through=through, after=first, limit=limit)
    return found


def some_events_behind(
    connection: Connection, usage: MeteredUsage, *, limit: int
) -> list[EventBehind]:
    """Return a few of the events that a stored usage counts: of the first day that has any.

    The summaries say on which days to look. They may know more than the usage did, or less; only
    when they lead nowhere is the whole period read.
    """
    asked = _asked_as_known(connection, usage)
    if asked is None:
        return []
    days = connection.execute(
        """select distinct hour::date from usage_of_meter
           where customer_id = %s and meter_id = %s and hour >= %s and hour < %s
             and dimensions @> %s
           order by 1""",
        [
            usage.customer_id,
            usage.meter_id,
            asked.period.start,
            asked.period.end,
            Jsonb(dict(usage.where or {})),
        ],
    ).fetchall()
    parts = [tuple(events.on_day(asked.spans, day)) for (day,) in days]
    for spans in (*parts, asked.spans):
        found = events.counted(
            connection,
            replace(asked, spans=spans),
            through=usage.through_receipt,
            after=UUID(int=0),
            limit=limit,
        )
        if found:
            return found
    return []


def usages_of_event(connection: Connection, source: str, event_id: str) -> list[UsageId]:
    """Return the usages that count an event, replaced ones too; none when it is not known."""
    h = UUID(bytes=event_digest(source, event_id))
    event = events.find(connection, h)
    if event is None:
        return []
    around = _usages(
        connection,
        # A zone moves a period by hours at most; a gauge value may be behind later ones too.
        """m.customer_id = %(customer)s and m.ends_at > %(instant)s::timestamptz - interval '1 day'
           and m.through_receipt >= %(receipt)s""",
        {
            "customer": event.customer_id,
            "instant": event.occurred_at,
            "receipt": event.receipt,
        },
    )
    questions = [(usage, _asked_as_known(connection, usage)) for usage in around]
    return [
        usage.usage_id
        for usage, asked in questions
        if asked is not None
        and event.occurred_at < asked.period.end
        and events.is_counted(connection, asked, event, through=usage.through_receipt)
    ]


def _usages(connection: Connection, where: str, values: dict[str, Any]) -> list[MeteredUsage]:
    rows = connection.execute(
        f"""select {_USAGE_COLUMNS} from metered_usage m where {where}
            order by m.contract_id, m.product_id, m.starts_at, m.decided_at, m.usage_id""",
        values,
    ).fetchall()
    return [_usage(row) for row in rows]


def _usage(row: tuple[Any, ...]) -> MeteredUsage:
    """Build a usage from `_USAGE_COLUMNS`."""
    usage_id, customer_id, contract_id, contract_version, product_id, meter_id, *more = row
    meter_version, where, starts_at, ends_at, quantity, event_count, digest, through, zone = more
    return MeteredUsage(
        usage_id=UsageId(usage_id),
        customer_id=CustomerId(customer_id),
        meter_id=MeterId(meter_id),
        period=Period(starts_at, ends_at),
        quantity=quantity,
        event_count=event_count,
        meter_version=meter_version,
        product_id=product_id,
        contract_id=contract_id,
        contract_version=contract_version,
        where=where,
        digest=digest,
        through_receipt=through,
        zone=zone,
    )


def _recount(
    connection: Connection,
    usages: Sequence[MeteredUsage],
    asked: Sequence[Question | None],
    *,
    engine: Engine | None = None,
) -> list[Counted]:
    """Count usages again that have the same spans and receipt."""
    questions = [one for one in asked if one is not None]
    if not questions:
        return [Counted() for _ in usages]
    (through,) = {usage.through_receipt for usage in usages}
    found = events.parts_of(connection, questions, through=through, engine=engine)
    return [
        _finished(one, parts, None).get((), Counted())
        for one, parts in zip(questions, found, strict=True)
    ]


def _finished(
    asked: Question, found: Mapping[Group, Parts], until: datetime | None
) -> dict[Group, Counted]:
    end = (
        asked.period.end if until is None else max(asked.period.start, min(until, asked.period.end))
    )
    counted = {
        group: finish(asked.meter, parts, asked.period.start, end) for group, parts in found.items()
    }
    return {group: one for group, one in counted.items() if one.event_count}


def _is_on_edges(period: Period, minutes: int) -> bool:
    """Tell whether a period begins and ends where buckets do."""
    return all(
        edge.minute % minutes == edge.second == edge.microsecond == 0
        for edge in (period.start, period.end)
    )


def _asked_as_known(connection: Connection, usage: MeteredUsage) -> Question | None:
    """Return what a usage answered, by the meter versions known when it was decided."""
    known_at = decided_at(connection, usage.usage_id)
    catalog = load_catalog(connection, known_at=known_at, only=("meter", usage.meter_id))
    return _asked(catalog, usage)


def _asked(catalog: Catalog, usage: MeteredUsage) -> Question | None:
    period = instants(usage.period, usage.zone)
    return question(catalog, usage.customer_id, usage.meter_id, period, dict(usage.where or {}))
