"""The sums of a document: lines, tax, totals, balance. Exact decimals, nothing else."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from tollbook.simulators.netsuite.rules import DIGITS_MAX, Master, check_account, row_for
from tollbook.simulators.netsuite.wire import (
    JsonObject,
    invalid_content,
    missing,
    plain,
    user_error,
)

ZERO: Final = Decimal(0)
# Wide enough for any product of two accepted numbers; the default of 28 digits is not.
_EXACT: Final = Context(prec=80)


@dataclass(frozen=True)
class Totals:
    """What a document comes to, and its body with the computed fields filled in."""

    body: JsonObject
    total: Decimal
    tax_total: Decimal


def rounded(value: Decimal, decimals: int) -> Decimal:
    """Round half up to the decimals of the currency.

    This is the rounding of the simulated ERP. It is here, and not in the product's `settle`,
    because a simulator that shared our rounding would agree with our mistakes.
    """
    step = Decimal(1).scaleb(-decimals)
    return value.quantize(step, rounding=ROUND_HALF_UP, context=_EXACT)


def decimals_of(master: Master, currency: JsonObject) -> int:
    """Return how many decimals a currency has."""
    return int(row_for(master, "currency", currency).body.get("decimals", 2))


def sale(master: Master, values: JsonObject) -> Totals:
    """Work out an invoice or a credit memo."""
    decimals = decimals_of(master, values["currency"])
    given = (values.get("item") or {}).get("items", [])
    if not given:
        raise user_error("You must enter at least one line item for this transaction.", "item")
    lines = [
        _sale_line(master, values, line, (index, decimals)) for index, line in enumerate(given)
    ]
    subtotal = sum((line["amount"] for line in lines), ZERO)
    details = _tax_details(values, lines, decimals)
    if details is None:
        tax_total = _computed_tax(master, lines, decimals)
    else:
        tax_total = sum((detail["taxAmount"] for detail in details), ZERO)
    total = subtotal + tax_total
    if total < 0:
        raise user_error("The total of this transaction cannot be negative.", "item")
    body = {**values, "item": {"items": lines}, "subtotal": subtotal, "taxTotal": tax_total}
    body.pop("taxDetails", None)
    if details is not None:
        body["taxDetails"] = {"items": details}
    return Totals({**body, "total": total}, total, tax_total)


def _sale_line(
    master: Master, values: JsonObject, line: JsonObject, place: tuple[int, int]
) -> JsonObject:
    index, decimals = place
    where = f"item.items[{index}]."
    if not line.get("item"):
        raise missing("Item", where + "item")
    if line.get("account"):
        check_account(master, line["account"], values, where + "account")
    quantity = line.get("quantity", Decimal(1))
    amount, rate = line.get("amount"), line.get("rate")
    if amount is None:
        if rate is None:
            raise missing("Amount", where + "amount")
        amount = _EXACT.multiply(quantity, rate)
    if amount.adjusted() >= DIGITS_MAX:
        raise user_error("The amount is too large.", where + "amount")
    made = {**line, "line": index + 1, "quantity": quantity, "amount": rounded(amount, decimals)}
    return {name: value for name, value in made.items() if value is not None}


def _tax_details(
    values: JsonObject, lines: list[JsonObject], decimals: int
) -> list[JsonObject] | None:
    # Without the override the tax engine decides and what the caller sent is ignored.
    if values.get("taxDetailsOverride") is not True:
        return None
    references = {line.get("taxDetailsReference") for line in lines} - {None}
    details: list[JsonObject] = []
    for index, detail in enumerate((values.get("taxDetails") or {}).get("items", [])):
        where = f"taxDetails.items[{index}]."
        reference = detail.get("taxDetailsReference")
        if reference not in references:
            raise invalid_content(
                "Error while accessing resource: You have entered an Invalid Field Value"
                f" {reference} for the following field: taxDetailsReference",
                where + "taxDetailsReference",
            )
        for name in ("taxCode", "taxAmount"):
            if detail.get(name) is None:
                raise missing(name, where + name)
        details.append({**detail, "taxAmount": rounded(detail["taxAmount"], decimals)})
    return details


def _computed_tax(master: Master, lines: list[JsonObject], decimals: int) -> Decimal:
    tax = ZERO
    for line in lines:
        if line.get("taxCode"):
            code = row_for(master, "salesTaxItem", line["taxCode"])
            rate = Decimal(str(code.body.get("rate", 0)))
            exact = _EXACT.multiply(line["amount"], rate).scaleb(-2, context=_EXACT)
            tax += rounded(exact, decimals)
    return tax


def journal(master: Master, values: JsonObject) -> Totals:
    """Work out a journal entry; debits must equal credits to the last minor unit."""
    decimals = decimals_of(master, values["currency"])
    given = (values.get("line") or {}).get("items", [])
    if not given:
        raise user_error("You must enter at least one line item for this transaction.", "line")
    lines = [
        _journal_line(master, values, line, (index, decimals)) for index, line in enumerate(given)
    ]
    debits = sum((line.get("debit", ZERO) for line in lines), ZERO)
    credits_ = sum((line.get("credit", ZERO) for line in lines), ZERO)
    if debits != credits_:
        difference = plain(debits - credits_)
        raise user_error(f"Transaction was not in balance. Posting total = {difference}", "line")
    return Totals({**values, "line": {"items": lines}}, debits, ZERO)


def _journal_line(
    master: Master, values: JsonObject, line: JsonObject, place: tuple[int, int]
) -> JsonObject:
    index, decimals = place
    where = f"line.items[{index}]."
    if not line.get("account"):
        raise missing("Account", where + "account")
    check_account(master, line["account"], values, where + "account")
    sides: dict[str, Any] = {
        side: rounded(line[side], decimals)
        for side in ("debit", "credit")
        if line.get(side) is not None
    }
    if sum(1 for amount in sides.values() if amount != 0) > 1:
        raise user_error("A journal line has either a debit or a credit.", where + "debit")
    if not sides:
        raise missing("Amount", where + "debit")
    if min(sides.values()) < 0:
        raise user_error("A journal line cannot have a negative amount.", where + "debit")
    made = {**line, **sides, "line": index + 1}
    return {name: value for name, value in made.items() if value is not None}
