"""The record service: create, upsert and read, each as one transaction of the store."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from tollbook.simulators.netsuite.amounts import ZERO, Totals, journal, sale
from tollbook.simulators.netsuite.catalog import FIELDS, TRANSACTIONS
from tollbook.simulators.netsuite.faults import Switches
from tollbook.simulators.netsuite.rules import Reading, posting_period, with_sources
from tollbook.simulators.netsuite.state import Document, Row, Store
from tollbook.simulators.netsuite.wire import (
    RECORD_PATH,
    JsonObject,
    Refusal,
    Reply,
    Request,
    instant,
    invalid_content,
    json_reply,
    missing,
    parse_object,
    user_error,
)

EXTERNAL_PREFIX: Final = "eid:"
SUBLISTS: Final = ("item", "taxDetails", "line", "apply", "addressBook")
STATUS_NAMES: Final = {"A": "Open", "B": "Paid In Full"}
PARTS_MAX: Final = 3  # record, key, sublist


@dataclass(frozen=True)
class Outcome:
    """The answer to a request, and whether it changed the books."""

    reply: Reply
    is_committed: bool = False
    ignored: Sequence[str] = ()


@dataclass(frozen=True)
class Target:
    """The part of the address after `record/v1/`."""

    record: str
    key: str = ""
    sublist: str = ""

    @property
    def external_id(self) -> str | None:
        """Return the external id the address names."""
        is_external = self.key.startswith(EXTERNAL_PREFIX)
        return self.key.removeprefix(EXTERNAL_PREFIX) if is_external else None


def not_found() -> Refusal:
    """Make the refusal for a record that is not there."""
    detail = "The record instance does not exist. Provide a valid record instance ID."
    return Refusal(404, "NONEXISTENT_ID", detail, where={"o:errorUrl": "id"})


# Writing


def create(store: Store, switches: Switches, target: Target, request: Request) -> Outcome:
    """Carry out POST {record}."""
    body = parse_object(request.body)
    with store.transaction():
        reading, values = _read(store, target.record, body, request)
        external_id = values.get("externalId")
        if target.record == "customer":
            id_ = _put_customer(store, switches, values, None)
        else:
            draft = _draft(store, switches, target.record, values)
            # Uniqueness is found out last, on saving: other refusals hide a duplicate.
            if switches.unique_external_id:
                _refuse_duplicate(store, target.record, external_id)
            id_ = _put_new(store, target.record, draft)
    return _written(request, target.record, id_, reading)


def upsert(store: Store, switches: Switches, target: Target, request: Request) -> Outcome:
    """Carry out PUT {record}/eid:{externalId}."""
    external_id = target.external_id
    if not external_id:
        raise Refusal(405, "METHOD_NOT_ALLOWED", "PUT needs an external id.")
    body = parse_object(request.body)
    if body.get("externalId", external_id) != external_id:
        raise invalid_content("The external ID differs from the one in the URL", "externalId")
    body["externalId"] = external_id
    replaced = set((request.parameter("replace") or "").split(","))
    with store.transaction():
        reading, values = _read(store, target.record, body, request)
        if target.record == "customer":
            known = store.find("customer", id_=None, external_id=external_id)
            id_ = _put_customer(store, switches, values, known)
        else:
            found = store.document_by(target.record, external_id, is_external=True)
            if found is None:
                draft = _draft(store, switches, target.record, values)
                id_ = _put_new(store, target.record, draft)
            else:
                merged = merge(found.body, values, replaced)
                draft = _draft(store, switches, target.record, merged)
                id_ = _put_changed(store, found, draft)
    return _written(request, target.record, id_, reading)


def _read(
    store: Store, record: str, body: JsonObject, request: Request
) -> tuple[Reading, JsonObject]:
    is_strict = request.header("x-netsuite-propertynamevalidation").lower() == "error"
    reading = Reading(store, is_strict=is_strict)
    return reading, reading.fields(record, body)


def _written(request: Request, record: str, id_: str, reading: Reading) -> Outcome:
    headers = {"Location": f"{request.origin}{RECORD_PATH}{record}/{id_}"}
    return Outcome(Reply(204, headers=headers), is_committed=True, ignored=tuple(reading.ignored))


def merge(old: JsonObject, new: JsonObject, replaced: set[str]) -> JsonObject:
    """Merge an update the way PUT does: header fields replaced, sublist lines added."""
    merged = {**old, **new}
    for name in SUBLISTS:
        if name in new and name in old and name not in replaced:
            lines = [dict(line) for line in old[name]["items"]]
            for line in (new[name] or {}).get("items", []):
                position = line.get("line")
                if position is not None and 1 <= position <= len(lines):
                    lines[int(position) - 1] |= line
                else:
                    lines.append(line)
            merged[name] = {"items": lines}
    return merged


def _draft(store: Store, switches: Switches, record: str, values: JsonObject) -> Totals:
    filled = {name: value for name, value in values.items() if value is not None}
    if record != "journalEntry" and not filled.get("entity"):
        raise missing("Customer", "entity")
    filled = with_sources(store, filled)
    filled.setdefault("tranDate", instant()[:10])
    filled.setdefault("exchangeRate", Decimal(1))
    totals = (journal if record == "journalEntry" else sale)(store, filled)
    period = posting_period(record, filled, store.rows("accountingPeriod"), switches)
    return replace(totals, body={**totals.body, "postingPeriod": period})


def _refuse_duplicate(store: Store, record: str, external_id: str | None) -> None:
    if external_id is None:
        return
    if record == "customer":
        taken = store.find("customer", id_=None, external_id=external_id) is not None
    else:
        taken = store.document_by(record, external_id, is_external=True) is not None
    if taken:
        noun = "entity" if record == "customer" else "record"
        raise user_error(
            f"Error while accessing a resource. This {noun} already exists.", "externalId"
        )


def _put_new(store: Store, record: str, draft: Totals) -> str:
    body = draft.body
    applied = _applications(store, record, draft)
    paid = sum((amount for _, amount in applied), ZERO)
    document = Document(
        id=str(store.next_number("document")),
        record=record,
        external_id=body.get("externalId"),
        tran_id=body.get("tranId") or store.next_tran_id(record),
        tran_date=body["tranDate"],
        posting_period=body["postingPeriod"]["id"],
        entity=(body.get("entity") or {}).get("id"),
        currency=body["currency"]["id"],
        subsidiary=body["subsidiary"]["id"],
        total=draft.total,
        amount_paid=paid,
        amount_remaining=_remaining(record, draft.total, paid),
        status=_status(record, _remaining(record, draft.total, paid)),
        memo=body.get("memo"),
        created_date=instant(),
        modified_date=instant(),
        body=body,
    )
    store.put_document(document, "create")
    for invoice, amount in applied:
        settle(store, invoice, amount)
    return document.id


def _put_changed(store: Store, found: Document, draft: Totals) -> str:
    body = draft.body
    if draft.total < found.amount_paid:
        raise user_error("The total cannot be less than what was already applied.", "item")
    remaining = _remaining(found.record, draft.total, found.amount_paid)
    changed = replace(
        found,
        tran_id=body.get("tranId") or found.tran_id,
        tran_date=body["tranDate"],
        posting_period=body["postingPeriod"]["id"],
        entity=(body.get("entity") or {}).get("id"),
        currency=body["currency"]["id"],
        subsidiary=body["subsidiary"]["id"],
        total=draft.total,
        amount_remaining=remaining,
        status=_status(found.record, remaining),
        memo=body.get("memo"),
        modified_date=instant(),
        body=body,
    )
    store.put_document(changed, "update")
    return found.id


def _remaining(record: str, total: Decimal, paid: Decimal) -> Decimal:
    return ZERO if record == "journalEntry" else total - paid


def _status(record: str, remaining: Decimal) -> str | None:
    if record == "journalEntry":
        return None
    return "A" if remaining > 0 else "B"


def _applications(store: Store, record: str, draft: Totals) -> list[tuple[Document, Decimal]]:
    if record != "creditMemo":
        return []
    left = draft.total
    applied: list[tuple[Document, Decimal]] = []
    for index, line in enumerate((draft.body.get("apply") or {}).get("items", [])):
        if line.get("apply") is False:
            continue
        where = f"apply.items[{index}]"
        invoice = store.document_by(
            "invoice", (line.get("doc") or {}).get("id", ""), is_external=False
        )
        if invoice is None or any(invoice.id == other.id for other, _ in applied):
            raise invalid_content("The document to apply to is not an open invoice", where + ".doc")
        amount = line.get("amount")
        amount = min(left, invoice.amount_remaining) if amount is None else amount
        if not 0 <= amount <= min(left, invoice.amount_remaining):
            raise user_error("You cannot apply more than the amount due.", where + ".amount")
        left -= amount
        applied.append((invoice, amount))
    return applied


def settle(store: Store, invoice: Document, amount: Decimal) -> Document:
    """Record that part of an invoice was paid or credited."""
    remaining = invoice.amount_remaining - amount
    changed = replace(
        invoice,
        amount_paid=invoice.amount_paid + amount,
        amount_remaining=remaining,
        status=_status("invoice", remaining),
        modified_date=instant(),
    )
    store.put_document(changed, "apply")
    return changed


def _put_customer(store: Store, switches: Switches, values: JsonObject, known: Row | None) -> str:
    merged = {**(known.body if known else {}), **values}
    if not merged.get("isPerson") and not merged.get("companyName"):
        detail = "Error while accessing a resource. You must enter a value for Company Name."
        raise user_error(detail, "companyName")
    if not merged.get("subsidiary"):
        raise missing("Subsidiary", "subsidiary")
    external_id = merged.get("externalId")
    if known is None and switches.unique_external_id:
        _refuse_duplicate(store, "customer", external_id)
    id_ = known.id if known else store.next_row_id("customer")
    merged.setdefault("entityId", f"CUST{id_}")
    kept = {name: value for name, value in merged.items() if value is not None}
    store.put_row("customer", {**kept, "id": id_})
    store.log_commit("customer", external_id, id_, "update" if known else "create")
    return id_


# Reading


def read(store: Store, target: Target, request: Request) -> Outcome:
    """Carry out GET {record}/{id}, GET {record}/eid:{externalId} and one sublist of it."""
    is_expanded = (request.parameter("expandSubResources") or "").lower() == "true"
    external_id = target.external_id
    key = target.key if external_id is None else external_id
    base = f"{request.origin}{RECORD_PATH}"
    if target.record in TRANSACTIONS:
        document = store.document_by(target.record, key, is_external=external_id is not None)
        if document is None:
            raise not_found()
        shown = rendered(document, base, is_expanded=is_expanded or bool(target.sublist))
    else:
        row = store.find(
            target.record,
            id_=key if external_id is None else None,
            external_id=external_id,
        )
        if row is None:
            raise not_found()
        own = f"{base}{target.record}/{row.id}"
        body = _expand(target.record, row.body, base, own=own, is_expanded=is_expanded)
        shown = {"links": _links(own), **body}
    if target.sublist:
        if not isinstance(shown.get(target.sublist), dict):
            raise not_found()
        return Outcome(json_reply(shown[target.sublist]))
    return Outcome(json_reply(shown))


def rendered(document: Document, base: str, *, is_expanded: bool) -> JsonObject:
    """Show a transaction as GET does."""
    own = f"{base}{document.record}/{document.id}"
    shown: JsonObject = {
        "links": _links(own),
        "id": document.id,
        "tranId": document.tran_id,
        "transactionNumber": document.tran_id,
        "createdDate": document.created_date,
        "lastModifiedDate": document.modified_date,
    }
    body = _expand(document.record, document.body, base, own=own, is_expanded=is_expanded)
    shown = {**body, **shown}
    if document.record == "journalEntry":
        return shown
    shown["total"] = document.total
    shown["status"] = {"id": document.status, "refName": STATUS_NAMES[document.status or "A"]}
    names = ("amountPaid", "amountRemaining")
    if document.record == "creditMemo":
        names = ("applied", "unapplied")
    shown[names[0]], shown[names[1]] = document.amount_paid, document.amount_remaining
    return shown


def _links(href: str) -> list[JsonObject]:
    return [{"rel": "self", "href": href}]


def _expand(table: str, body: JsonObject, base: str, *, own: str, is_expanded: bool) -> JsonObject:
    kinds = FIELDS.get(table, {})
    shown: JsonObject = {}
    for name, value in body.items():
        kind = kinds.get(name, "")
        if kind.startswith("ref:") and isinstance(value, dict):
            href = f"{base}{kind.removeprefix('ref:')}/{quote(str(value.get('id')))}"
            shown[name] = {"links": _links(href), **value}
        elif kind.startswith("lines:") and isinstance(value, dict):
            place = f"{own}/{name}"
            rows = value.get("items", []) if is_expanded else None
            shown[name] = _sublist(kind.removeprefix("lines:"), rows, base, place)
        else:
            shown[name] = value
    return shown


def _sublist(table: str, rows: list[Any] | None, base: str, own: str) -> JsonObject:
    if rows is None:
        return {"links": _links(own)}
    items = [
        {
            "links": _links(f"{own}/{index}"),
            **_expand(table, row, base, own=f"{own}/{index}", is_expanded=True),
        }
        for index, row in enumerate(rows, start=1)
    ]
    counts = {"count": len(items), "hasMore": False, "offset": 0, "totalResults": len(items)}
    return {"items": items, "links": _links(own), **counts}
