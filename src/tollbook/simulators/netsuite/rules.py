"""What the record service accepts: field shapes, references, periods. Pure decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final, Protocol

from tollbook.simulators.netsuite.catalog import (
    COMPUTED,
    CUSTOM_PREFIXES,
    DATE,
    FIELDS,
    FLAG,
    NOT_MODELLED,
    NUMBER,
    OBJECT,
    OPTIONAL_KINDS,
    TEXT,
)
from tollbook.simulators.netsuite.faults import Switches
from tollbook.simulators.netsuite.state import Row
from tollbook.simulators.netsuite.wire import (
    JsonObject,
    Refusal,
    invalid_content,
    missing,
    user_error,
)

DIGITS_MAX: Final = 15  # before the point, and after it
CLOSED_PERIOD: Final = (
    "The transaction date you specified is not within the date range of your accounting period."
)


class Master(Protocol):
    """Where references are looked up."""

    def find(self, kind: str, *, id_: str | None, external_id: str | None) -> Row | None:
        """Return the record, if there is one."""

    def rows(self, kind: str) -> list[Row]:
        """Return all records of a kind."""

    def has(self, kind: str) -> bool:
        """Tell whether there are any records of a kind."""


@dataclass
class Reading:
    """One pass over a request body."""

    master: Master
    is_strict: bool = False
    ignored: list[str] = field(default_factory=list)

    def fields(self, table: str, body: Mapping[str, Any], path: str = "") -> JsonObject:
        """Check every property against the field table; return those that are kept."""
        kept: JsonObject = {}
        for name, value in body.items():
            where = f"{path}{name}"
            kind = FIELDS[table].get(name)
            if kind is None and name.startswith(CUSTOM_PREFIXES):
                kept[name] = value
            elif kind is None:
                self._unknown(name, where)
            elif kind == NOT_MODELLED:
                raise invalid_content(f"The simulator does not model the field {name}", where)
            elif kind != COMPUTED:
                kept[name] = None if value is None else self._value(kind, name, value, where)
        return kept

    def _unknown(self, name: str, where: str) -> None:
        # The default of X-NetSuite-PropertyNameValidation is Warning: misspelt fields vanish.
        if self.is_strict:
            raise invalid_content(f"Unknown property: {name}", where)
        self.ignored.append(where)

    def _value(self, kind: str, name: str, value: Any, where: str) -> Any:
        if kind.startswith("ref:"):
            return self.reference(kind.removeprefix("ref:"), name, value, where)
        if kind.startswith("lines:"):
            return self._lines(kind.removeprefix("lines:"), name, value, where)
        return _plain_value(kind, name, value, where)

    def _lines(self, table: str, name: str, value: Any, where: str) -> JsonObject:
        items = value.get("items") if isinstance(value, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise _invalid_value(value, name, where)
        return {
            "items": [
                self.fields(table, item, f"{where}.items[{index}].")
                for index, item in enumerate(items)
            ]
        }

    def reference(self, kind: str, name: str, value: Any, where: str) -> JsonObject:
        """Resolve a reference, or refuse it naming the field."""
        given = value if isinstance(value, dict) else {"id": value}
        id_, external_id = given.get("id"), given.get("externalId")
        shown = id_ if id_ is not None else external_id
        if isinstance(shown, bool) or not isinstance(shown, str | int):
            raise _invalid_value(shown, name, where)
        found = self.master.find(
            kind,
            id_=None if id_ is None else str(id_),
            external_id=None if external_id is None else str(external_id),
        )
        if found is None and kind in OPTIONAL_KINDS and not self.master.has(kind):
            return {"id": str(shown)}
        if found is None or found.body.get("isInactive") is True:
            if kind == "salesTaxItem":
                raise user_error(f"Invalid taxcode reference key {shown}.", where)
            raise _invalid_value(shown, name, where)
        return {"id": found.id, "refName": found.name}


def _invalid_value(value: object, name: str, where: str) -> Refusal:
    detail = (
        f"Error while accessing resource: You have entered an Invalid Field Value {value}"
        f" for the following field: {name}"
    )
    return invalid_content(detail, where)


def _plain_value(kind: str, name: str, value: Any, where: str) -> Any:
    if kind == NUMBER:
        return _number(value, name, where)
    if kind == TEXT and isinstance(value, str):
        return value
    if kind == FLAG and isinstance(value, bool):
        return value
    if kind == OBJECT and isinstance(value, dict | str):
        return value
    if kind == DATE and isinstance(value, str):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise _invalid_value(value, name, where) from None
    raise _invalid_value(value, name, where)


def _number(value: Any, name: str, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _invalid_value(value, name, where)
    exact = Decimal(value)
    exponent = exact.as_tuple().exponent
    is_fine = isinstance(exponent, int) and exponent >= -DIGITS_MAX
    if not is_fine or exact.adjusted() >= DIGITS_MAX:
        raise _invalid_value(value, name, where)
    return exact


def row_for(master: Master, kind: str, reference: JsonObject) -> Row:
    """Return the master record behind a resolved reference."""
    found = master.find(kind, id_=reference["id"], external_id=None)
    if found is None:
        raise _invalid_value(reference["id"], kind, kind)
    return found


def with_sources(master: Master, values: JsonObject) -> JsonObject:
    """Fill subsidiary and currency the way the form does: from the customer or the subsidiary."""
    filled = dict(values)
    source: JsonObject = {}
    if filled.get("entity"):
        source = row_for(master, "customer", filled["entity"]).body
    reading = Reading(master)
    for name in ("subsidiary", "currency"):
        if filled.get(name) is None and source.get(name) is not None:
            filled[name] = reading.reference(name, name, source[name], name)
        if filled.get(name) is None:
            raise missing(name.title(), name)
        if name == "subsidiary":
            source = {**row_for(master, name, filled[name]).body, **source}
    return filled


def check_account(master: Master, account: JsonObject, values: JsonObject, where: str) -> None:
    """Refuse a GL account that is restricted to other subsidiaries."""
    row = row_for(master, "account", account)
    allowed = row.body.get("subsidiaries")
    if allowed and values["subsidiary"]["id"] not in [str(each) for each in allowed]:
        subsidiary = row_for(master, "subsidiary", values["subsidiary"]).name
        raise user_error(
            f"The {row.name} account cannot be used with the {subsidiary} subsidiary", where
        )


def posting_period(
    record: str, values: JsonObject, periods: list[Row], switches: Switches
) -> JsonObject:
    """Decide the period: the one asked for, the one of the date, or silently a later one."""
    tran_date = values["tranDate"]
    asked = values.get("postingPeriod")
    if asked:
        period = next(row for row in periods if row.id == asked["id"])
        covers = _covers(period, tran_date) or switches.allow_date_outside_period
        if _is_closed(period, record) or not covers:
            raise user_error(CLOSED_PERIOD, "postingPeriod")
        return _period_reference(period)
    natural = next((row for row in periods if _covers(row, tran_date)), None)
    if natural is None:
        raise user_error(CLOSED_PERIOD, "tranDate")
    if not _is_closed(natural, record):
        return _period_reference(natural)
    if switches.move_closed_period:
        for period in sorted(periods, key=_start):
            if _start(period) > _start(natural) and not _is_closed(period, record):
                return _period_reference(period)
    raise user_error(CLOSED_PERIOD, "tranDate")


def _start(period: Row) -> str:
    return str(period.body.get("startDate", ""))


def _covers(period: Row, day: str) -> bool:
    return _start(period) <= day <= str(period.body.get("endDate", ""))


def _is_closed(period: Row, record: str) -> bool:
    body = period.body
    is_locked = body.get("aRLocked") is True and record in ("invoice", "creditMemo")
    return body.get("closed") is True or body.get("allLocked") is True or is_locked


def _period_reference(period: Row) -> JsonObject:
    return {"id": period.id, "refName": period.name}
