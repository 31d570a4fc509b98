"""The SQL by which events count for meters; `definition.py` says what it must mean."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from psycopg import sql

from tollbook.flow.meter.definition import formula
from tollbook.flow.meter.window import Span
from tollbook.records.commercial import Filter, Meter
from tollbook.values.formula import Apply, Constant, Field, Node, fields_of

_BOUNDS: Final = {"at_least": ">=", "more_than": ">", "at_most": "<=", "less_than": "<"}


def events_of(meter: Meter, first: date, until: date, through: int | None) -> sql.Composed:
    """Return the query of the events that a meter version counts on some UTC days, as known then.

    Its columns: customer_id, dimensions, occurred_at, h, f1, f2, value, member (the text of a
    unique count, or the series of a gauge), is_usable, source, event_id, type, subject, receipt,
    data. `through` None is all that this transaction sees.
    """
    number, member, usable = counted_value(meter)
    return sql.SQL(
        """select c.customer_id, {dimensions} as dimensions, e.occurred_at, e.h, e.f1, e.f2,
                  {number} as value, {member} as member, {usable} as is_usable, e.source, e.event_id,
                  e.type, e.subject, e.receipt, e.data
           {source} and {where}"""
    ).format(
        dimensions=dimensions_of(meter),
        number=number,
        member=member,
        usable=usable,
        source=counted_events(meter.event_type, first, until, through),
        where=where_of(meter),
    )


def events_of_spans(spans: Sequence[Span], through: int | None) -> sql.Composed:
    """Return the query of the events that the versions of a meter count, each on its days."""
    return sql.SQL(" union all ").join(
        events_of(span.meter, span.first, span.until, through) for span in spans
    )


def counted_events(event_type: str, first: date, until: date, through: int | None) -> sql.Composed:
    """Return the from and where of a type's events `e` that count, with their customer `c`.

    `e.content` is what an event says; the offset keeps it from being read anew for each field.
    """
    known: sql.Composable = sql.SQL("true")
    excluded: sql.Composable = sql.SQL("true")
    crosswalk: sql.Composable = sql.SQL("subject_crosswalk")
    if through is not None:
        known = sql.SQL("e.receipt <= {}").format(sql.Literal(through))
        excluded = sql.SQL("x.known_receipt <= {}").format(sql.Literal(through))
        crosswalk = sql.SQL("crosswalk_at({})").format(sql.Literal(through))
    return sql.SQL(
        """from (select *, data::jsonb as content from usage_event e
                 where e.day >= {first} and e.day < {until} and e.type = {type} and {known}
                 offset 0) e
           join {crosswalk} c on c.subject = e.subject and c.valid @> e.occurred_at
           where not exists (select from event_exclusion x
                             where x.h = e.h and x.day = e.day and {excluded})"""
    ).format(
        first=sql.Literal(first),
        until=sql.Literal(until),
        type=sql.Literal(event_type),
        known=known,
        excluded=excluded,
        crosswalk=crosswalk,
    )


def counted_value(meter: Meter) -> tuple[sql.Composable, sql.Composable, sql.Composable]:
    """Return the number an event counts for, the text it is told apart by, and if it is usable."""
    number, text = sql.SQL("null::numeric"), sql.SQL("null::text")
    if meter.aggregation == "count":
        return number, text, sql.SQL("true")
    if meter.aggregation == "unique_count":
        member = _text(meter.value or "")
        return number, member, sql.SQL("({}) is not null").format(member)
    if meter.expression is not None:
        found = _formula(meter.expression)
    else:
        found = _quantity(meter.value or "")
    if meter.aggregation == "time_weighted_sum":
        series = sql.SQL("coalesce({}, '')").format(_text(meter.series)) if meter.series else None
        return found, series or sql.SQL("''"), sql.SQL("({}) is not null").format(found)
    return found, text, sql.SQL("({}) is not null").format(found)


def dimensions_of(meter: Meter) -> sql.Composed:
    """Return the dimensions of an event as an object; one it lacks is the empty text."""
    pairs = [
        sql.SQL("{}, coalesce({}, '')").format(sql.Literal(name), _text(name))
        for name in sorted(meter.dimensions)
    ]
    return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs))


def where_of(meter: Meter) -> sql.Composed:
    """Return the meter's conditions on an event."""
    conditions: list[sql.Composable] = [
        sql.SQL("{} = {}").format(_text(name), sql.Literal(value))
        for name, value in sorted(meter.where.items())
    ]
    for condition in meter.filters:
        conditions += _conditions(condition)
    return sql.SQL(" and ").join([sql.SQL("true"), *conditions])


def _conditions(condition: Filter) -> list[sql.Composable]:
    text, number = _text(condition.field), _quantity(condition.field)
    found: list[sql.Composable] = []
    if condition.one_of:
        found.append(
            sql.SQL("coalesce({} = any({}), false)").format(
                text, sql.Literal(list(condition.one_of))
            )
        )
    if condition.none_of:
        found.append(
            sql.SQL("coalesce({} <> all({}), true)").format(
                text, sql.Literal(list(condition.none_of))
            )
        )
    if condition.exists is not None:
        found.append(sql.SQL("(({}) is not null) = {}").format(text, sql.Literal(condition.exists)))
    for name, operator in _BOUNDS.items():
        bound = getattr(condition, name)
        if bound is not None:
            found.append(
                sql.SQL("coalesce({} {} {}, false)").format(
                    number, sql.SQL(operator), sql.Literal(bound)
                )
            )
    return found


def _formula(text: str) -> sql.Composed:
    # least and greatest pass over nulls; without each field there is no value at all.
    tree = formula(text)
    fields = [sql.SQL("{} is not null").format(_quantity(path)) for path in fields_of(tree)]
    return sql.SQL("case when {} then {} end").format(sql.SQL(" and ").join(fields), _tree(tree))


def _tree(node: Node) -> sql.Composable:
    if isinstance(node, Constant):
        return sql.SQL("{}::numeric").format(sql.Literal(node.value))
    if isinstance(node, Field):
        return _quantity(node.path)
    assert isinstance(node, Apply), "the expression of a meter has no other functions"
    operands = [_tree(operand) for operand in node.operands]
    if node.operator in {"min", "max"}:
        name = sql.SQL("least" if node.operator == "min" else "greatest")
        return sql.SQL("{}({})").format(name, sql.SQL(", ").join(operands))
    return sql.SQL("({})").format(sql.SQL(f" {node.operator} ").join(operands))


def _quantity(name: str) -> sql.Composed:
    return sql.SQL("exact_quantity(e.content #> {})").format(_path(name))


def _text(name: str) -> sql.Composed:
    return sql.SQL("e.content #>> {}").format(_path(name))


def _path(name: str) -> sql.Literal:
    """Return the path of a field: `request.tokens` is the field tokens of the field request."""
    return sql.Literal(name.split("."))
