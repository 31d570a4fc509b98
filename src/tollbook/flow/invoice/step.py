"""Draft the documents of a month from its open charges, and approve drafts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tollbook.controls import audit, lineage
from tollbook.errors import Rejected
from tollbook.flow.capture.completeness.step import gaps
from tollbook.flow.invoice import store
from tollbook.flow.invoice.assemble import Bundle, Terms, assemble, terms_of
from tollbook.flow.invoice.numbering import line_id
from tollbook.flow.invoice.states import Signal, State, accepts, advance
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.store import lock, open_charges
from tollbook.masterdata.catalog import Catalog
from tollbook.records.invoice import Invoice
from tollbook.records.parties import LegalEntity
from tollbook.storage.database import Connection
from tollbook.values.ids import InvoiceId
from tollbook.values.period import Month
from tollbook.worklist.holding import Held, hold
from tollbook.worklist.store import clear_object

AUTOMATIC: Final = "policy:automatic"
INCOMPLETE: Final = "invoice.incomplete_usage"

_NOT_BY_USAGE: Final = frozenset({"fixed", "credit_purchase"})


@dataclass(frozen=True, slots=True)
class Drafted:
    """What drafting a month did. `set_aside` are contracts that could not be drafted."""

    made: int
    rebuilt: int
    unchanged: int
    removed: int
    approved: int
    set_aside: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Approved:
    """The documents that an approval concerned."""

    invoice_ids: tuple[InvoiceId, ...]


def draft(connection: Connection, *, catalog: Catalog, month: Month, at: datetime) -> Drafted:
    """Bring the drafts of a service month in line with its open charges.

    Drafts that still agree are left alone. Those that do not are rebuilt or removed, and lose an
    approval they had. Entities whose policy is automatic approve their drafts at once.
    """
    lock(connection)
    standing = {
        document.invoice_id: document
        for document in store.lock_month(connection, month, ("draft", "approved"))
    }
    wanted, set_aside = _wanted(connection, catalog=catalog, month=month, at=at)
    unchanged = {
        document.invoice_id
        for document in wanted
        if _says_the_same(standing.get(document.invoice_id), document)
    }
    stale = [document for key, document in standing.items() if key not in unchanged]
    fresh = [document for document in wanted if document.invoice_id not in unchanged]
    for document in stale:
        _remove(connection, document, at=at)
    for document in fresh:
        _insert(connection, document, at=at)
    return Drafted(
        made=sum(document.invoice_id not in standing for document in fresh),
        rebuilt=sum(document.invoice_id in standing for document in fresh),
        unchanged=len(unchanged),
        removed=len({d.invoice_id for d in stale} - {d.invoice_id for d in fresh}),
        approved=_approve_by_policy(connection, catalog=catalog, month=month, at=at),
        set_aside=tuple(set_aside),
    )


def approve(
    connection: Connection,
    *,
    invoice_ids: Sequence[str],
    by: str,
    at: datetime,
    reason: str = "Reviewed.",
) -> Approved:
    """Approve drafts, all or none; their author is the system, so any person may.

    Raises Rejected `invoice.unknown` and `invoice.not_a_draft`.
    """
    documents = store.lock_invoices(connection, invoice_ids)
    missing = sorted(set(invoice_ids) - {document.invoice_id for document in documents})
    if missing:
        raise Rejected(
            "invoice.unknown",
            f"There is no invoice {', '.join(missing)}: list the drafts to see their ids.",
            invoice_id=missing[0],
        )
    for document in documents:
        if not accepts(State(document.state), Signal.APPROVE):
            raise Rejected(
                "invoice.not_a_draft",
                f"Invoice {document.number or document.invoice_id} is {document.state} already: "
                "only a draft can be approved.",
                invoice_id=document.invoice_id,
            )
        _approve(connection, document, by=by, at=at, reason=reason)
    return Approved(tuple(document.invoice_id for document in documents))


def _says_the_same(standing: Invoice | None, wanted: Invoice) -> bool:
    return standing is not None and replace(standing, state="draft") == wanted


def _wanted(
    connection: Connection, *, catalog: Catalog, month: Month, at: datetime
) -> tuple[list[Invoice], list[str]]:
    """Assemble what the month's open charges ask for; put on the worklist what they cannot."""
    scope = f"invoice:{month}:"
    wanted: list[Invoice] = []
    held: list[Held] = []
    waits_for = _incomplete(connection, catalog=catalog, month=month)
    for bundle in _bundles(connection, catalog, month):
        missing = waits_for.get(bundle.terms.entity_id, ())
        if missing and _follows_usage(bundle):
            work_object = scope + bundle.terms.contract_id
            held += [Held(code, cause, said, work_object) for code, cause, said in missing]
            continue
        try:
            _require_entity(bundle.terms, catalog)
            document = assemble(bundle, catalog)
        except Rejected as refusal:
            work_object = scope + bundle.terms.contract_id
            held.append(Held(refusal.code, refusal.ids["cause"], refusal.message, work_object))
            continue
        if document:
            wanted.append(document)
    hold(connection, held, scope=scope, at=at)
    return wanted, [one.object_id for one in held]


def _incomplete(
    connection: Connection, *, catalog: Catalog, month: Month
) -> dict[str, list[tuple[str, str, str]]]:
    """Return (code, cause, sentence) of what the usage of each entity's month still waits for."""
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for entity_id in catalog.keys("entity"):
        entity = _entity(catalog, entity_id, month)
        for gap in gaps(connection, entity, month) if entity else ():
            if gap.blocks:
                said = (
                    f"{gap}; {month} of {entity_id} is not invoiced before it is complete. Declare "
                    "its watermark once it has sent everything, or override with a reason."
                )
                found[entity_id].append((INCOMPLETE, f"{entity_id}|{gap.source}", said))
    return found


def _follows_usage(bundle: Bundle) -> bool:
    """Tell whether more usage could change a document; fees in advance wait for nobody."""
    return any(rated.charge.kind not in _NOT_BY_USAGE for rated in bundle.charges)


def _bundles(connection: Connection, catalog: Catalog, month: Month) -> list[Bundle]:
    """Group the open charges of a month by the terms they are billed on."""
    groups: dict[Terms, list[RatedCharge]] = defaultdict(list)
    for rated in open_charges(connection, month):
        groups[terms_of(rated, catalog)].append(rated)
    issued = store.issued_of(connection, [terms.first_id for terms in groups])
    billed = store.billed(connection, month)
    return [
        Bundle(
            terms=terms,
            charges=tuple(charges),
            billed=billed,
            corrects=terms.first_id if terms.first_id in issued else None,
        )
        for terms, charges in sorted(groups.items())
    ]


def _require_entity(terms: Terms, catalog: Catalog) -> None:
    if _entity(catalog, terms.entity_id, terms.month) is None:
        raise Rejected(
            "invoice.unknown_entity",
            f"Legal entity {terms.entity_id} is not in force on {terms.month.last}: add it with an "
            "earlier effective_from, then draft the month again.",
            cause=terms.entity_id,
        )


def _entity(catalog: Catalog, entity_id: str, month: Month) -> LegalEntity | None:
    return catalog.entity(entity_id, month.last)


def _insert(connection: Connection, document: Invoice, *, at: datetime) -> None:
    store.insert_draft(connection, document, at=at)
    names = _line_ids(document)
    charges = [line.charge_id for line in document.lines]
    lineage.link(connection, "invoice", zip(names, charges, strict=True))
    lineage.link(connection, "invoice", [(document.invoice_id, name) for name in names])


def _line_ids(document: Invoice) -> list[str]:
    return [line_id(document.invoice_id, line.line_no) for line in document.lines]


def _remove(connection: Connection, document: Invoice, *, at: datetime) -> None:
    state = advance(State(document.state), Signal.REOPEN)
    if state != document.state:
        audit.record(
            connection,
            at=at,
            actor="system",
            action="invoice.reopen",
            object_id=document.invoice_id,
            before=document.state,
            after=state,
            reason="The charges behind it changed after it was approved.",
        )
        store.set_draft(connection, document.invoice_id)
    store.delete_draft(connection, document.invoice_id)
    lineage.unlink(connection, [document.invoice_id, *_line_ids(document)])
    clear_object(connection, document.invoice_id, by="invoice", resolution="Drafted again.", at=at)


def _approve_by_policy(
    connection: Connection, *, catalog: Catalog, month: Month, at: datetime
) -> int:
    approved = 0
    for document in store.list_invoices(connection, month=month, state="draft"):
        entity = _entity(catalog, document.entity_id, month)
        if entity and entity.approval == "automatic":
            reason = f"{entity.name} approves automatically."
            _approve(connection, document, by=AUTOMATIC, at=at, reason=reason)
            approved += 1
    return approved


def _approve(
    connection: Connection, document: Invoice, *, by: str, at: datetime, reason: str
) -> None:
    state = advance(State(document.state), Signal.APPROVE)
    store.set_approved(connection, document.invoice_id, by=by, at=at)
    audit.record(
        connection,
        at=at,
        actor=by,
        action="invoice.approve",
        object_id=document.invoice_id,
        before=document.state,
        after=state,
        reason=reason,
    )
