"""What an obligation is worth, computed again from its usage and its pinned terms."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tollbook.flow.meter.store import decided_at, usages_by_id
from tollbook.flow.rate.adjusted import Line, shares_of
from tollbook.flow.rate.commit import committed_parts, year_began
from tollbook.flow.rate.detail.need import known_from
from tollbook.flow.rate.detail.store import detail_of
from tollbook.flow.rate.fee_changes import fee_again
from tollbook.flow.rate.price import slice_parts
from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.flow.rate.store import counted_with, discounts_given, history, used_before
from tollbook.flow.rate.terms import started_on
from tollbook.flow.rate.working import ZERO, total
from tollbook.ledger.credit_store import moved_by
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.store import load_catalog
from tollbook.records.charge import REDUCTIONS, ChargePart
from tollbook.records.commercial import Contract
from tollbook.records.usage import UsageDetail
from tollbook.storage.database import Connection
from tollbook.values.codec import ABSENT
from tollbook.values.money import Money, Precise, settle, sum_money
from tollbook.values.period import Month


@dataclass(frozen=True, slots=True)
class Owed:
    """What an obligation comes to, in major units; `quantity` None when it is agreed, not counted."""

    amount: Decimal
    quantity: Decimal | None = None


def owed(
    connection: Connection,
    chain: Sequence[RatedCharge],
    *,
    quantities: Mapping[str, Decimal],
    catalog: Catalog,
) -> Owed:
    """Compute an obligation again; `chain` is its charges that count, through the one in question.

    Its last charge says by which usage, price and contract version; `quantities` are what was
    recounted of each usage. An obligation that was taken back comes to nothing.
    """
    charge = chain[-1].charge
    if charge.corrects is not None and len(charge.parts) == 1:
        return Owed(ZERO, ZERO)
    match charge.kind:
        case "usage":
            return _usage(connection, chain[-1], quantities)
        case "fixed":
            return Owed(_sum(fee_again(catalog, chain[-1], _quantity(chain))))
        case "discount" | "maximum" | "minimum":
            return Owed(_adjustment(connection, chain[-1], catalog))
        case "commitment_shortfall" | "overage":
            return Owed(_commitment(connection, chain[-1], catalog))
        case "credit_purchase" | "credit_applied" | "credit_discount":
            return Owed(_credits(connection, chain[-1]))


def _usage(connection: Connection, rated: RatedCharge, quantities: Mapping[str, Decimal]) -> Owed:
    usage_id = rated.charge.usage_id
    quantity = quantities[usage_id] if usage_id is not None else ZERO
    known = UsageDetail(quantity)
    if usage_id is not None and rated.price.rules is not ABSENT:
        [usage] = usages_by_id(connection, [usage_id])
        then = load_catalog(connection, known_at=decided_at(connection, usage_id))
        detail = detail_of(connection, then, usage, rated.price)
        known = replace(detail or UsageDetail(quantity, usage.event_count), quantity=quantity)
    span = known_from(rated.charge)
    before = None if span.before is None else UsageDetail(span.before)
    parts = slice_parts(known, rated.price, before=before, is_last=span.is_last)
    return Owed(_sum(parts), quantity)


def _commitment(connection: Connection, rated: RatedCharge, catalog: Catalog) -> Decimal:
    """Compare the commitment with the usage charged when the charge was decided."""
    charge = rated.charge
    version = catalog.numbered("contract", charge.contract_id, charge.contract_version)
    assert version is not None, "a charge pins a contract version that exists"
    assert isinstance(version.record, Contract)
    contract, currency = version.record, charge.amount.currency
    started = Month.of(started_on(catalog, contract))
    since = {contract.contract_id: year_began(started, rated.month)}
    before = used_before(connection, since, rated.month).get(contract.contract_id)
    workings = committed_parts(
        contract,
        _net_usage(counted_with(connection, charge.charge_id), currency),
        before=before or Money(0, currency),
        started=started,
        month=rated.month,
    )
    return _sum(workings.get(charge.kind, []))


def _adjustment(connection: Connection, rated: RatedCharge, catalog: Catalog) -> Decimal:
    """Apply the contract's adjustments to the lines that counted when the charge was decided."""
    charge = rated.charge
    version = catalog.numbered("contract", charge.contract_id, charge.contract_version)
    assert version is not None, "a charge pins a contract version that exists"
    assert isinstance(version.record, Contract)
    given = discounts_given(connection, rated.month).get(charge.contract_id, {})
    shares = shares_of(
        version.record,
        _lines(counted_with(connection, charge.charge_id), charge.amount.currency),
        month=rated.month,
        started=Month.of(started_on(catalog, version.record)),
        given_before=given,
        period=charge.period,
    )
    return total(
        share.amount.major
        for share, line in shares
        if (share.rule_id, share.kind) == (charge.rule_id, charge.kind)
        and (line is None or (line.product_id, line.period) == (charge.product_id, charge.period))
    )


def _net_usage(charges: Sequence[RatedCharge], currency: str) -> Money:
    """Return usage, less what was taken off it: what the customer sees on the invoice."""
    lines = [line for line in _lines(charges, currency) if line.kind == "usage"]
    used = {(line.product_id, line.period) for line in lines}
    taken = [
        settle(one.charge.amount, one.charge.rounding).money
        for one in charges
        if one.charge.kind in REDUCTIONS and (one.charge.product_id, one.charge.period) in used
    ]
    return sum_money([*(line.amount for line in lines), *taken], currency)


def _lines(charges: Sequence[RatedCharge], currency: str) -> list[Line]:
    """Return usage and fees, settled an obligation."""
    found: dict[Obligation, list[RatedCharge]] = defaultdict(list)
    for rated in charges:
        if rated.charge.kind in {"usage", "fixed"}:
            found[obligation_key(rated)].append(rated)
    return [
        Line(
            obligation.product_id,
            obligation.period,
            obligation.kind,
            settle(
                Precise(total(one.charge.amount.value for one in alike), currency),
                alike[-1].charge.rounding,
            ).money,
        )
        for obligation, alike in found.items()
        if obligation.currency == currency
    ]


def _credits(connection: Connection, rated: RatedCharge) -> Decimal:
    """Return what the obligation moved on its grants through this charge: bought +, used -."""
    known = [one.rated.charge.charge_id for one in history(connection, obligation_key(rated))]
    through = known[: known.index(rated.charge.charge_id) + 1]
    return total(moved.value for moved in moved_by(connection, through).values())


def _quantity(chain: Sequence[RatedCharge]) -> Decimal:
    return total(one.charge.quantity for one in chain)


def _sum(parts: Sequence[ChargePart]) -> Decimal:
    return total(part.amount for part in parts)
