"""Checks of prepaid credits: grants, top-ups, roll-over and the policy of a contract."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from tollbook.errors import Rejected
from tollbook.ledger.credit_blocks import CreditTerms, blocks_of
from tollbook.masterdata.catalog import SINCE_EVER, Catalog
from tollbook.masterdata.documents import documents_to_versions
from tollbook.masterdata.problems import Finding, Path
from tollbook.masterdata.references import check_reference
from tollbook.records.commercial import Contract
from tollbook.records.credits import CreditGrant, CreditPolicy, RollOver, TopUp
from tollbook.values.money import is_payable
from tollbook.values.period import midnight

DECIMALS_MAX = 12
_BY_DEFAULT = CreditPolicy()
_FAR = midnight(date(9000, 1, 1))


def check_credits(
    contract: Contract, catalog: Catalog, versions: Sequence[Contract]
) -> Iterator[Finding]:
    """Check the credits of a contract version; `versions` are all of its contract."""
    since = contract.effective_from
    if contract.credits and not contract.credit_product_id:
        message = "credits need `credit_product:`, the product they are sold as."
        yield Finding("credit_product", message, ("credits",))
    if contract.credit_product_id:
        path: Path = ("credit_product",)
        key = contract.credit_product_id
        yield from check_reference(catalog, "product", key, since=since, path=path)
        product = catalog.product(key, since)
        if product and product.revenue != "on_drawdown":
            message = f"product {key} must have `revenue: on_drawdown` to be sold as credit."
            yield Finding("credit_product", message, path)
    ids = [grant.grant_id for grant in contract.credits]
    start = min(one.effective_from for one in versions)
    policy = contract.credit_policy or CreditPolicy()
    for at, grant in enumerate(contract.credits):
        where: Path = ("credits", at)
        if grant.grant_id in ids[:at]:
            message = f"grant id {grant.grant_id} is used twice: give each grant its own."
            yield Finding("grant_taken", message, where)
        yield from grant_findings(grant, policy, contract.currency, where)
        yield from _in_contract(grant, contract, start, where)
        yield from _scope(grant.products, contract, (*where, "products"))
    yield from _stored_policy(contract, policy)
    if contract.credit_policy is not None:
        yield from policy_findings(policy, ("credit_policy",))


def read_grant(written: Mapping[str, Any]) -> CreditGrant:
    """Read a grant written as in a contract file; Rejected `credits.invalid` says what is wrong."""
    contract = {
        "id": "contract",
        "customer": "customer",
        "entity": "entity",
        "currency": "USD",
        "price_book": "book",
        "effective_from": SINCE_EVER,
        "items": [],
        "credits": [written],
    }
    wanted = documents_to_versions({"contracts": [contract]})
    if wanted.problems:
        problems = "; ".join(problem.message.rstrip(".") for problem in wanted.problems)
        raise Rejected("credits.invalid", f"The credits cannot be used: {problems}.")
    (version,) = wanted.versions
    assert isinstance(version.record, Contract)
    return version.record.credits[0]


def grant_problems(grant: CreditGrant, contract: Contract, catalog: Catalog) -> list[str]:
    """Return why a contract cannot be given a grant; nothing when it can."""
    versions = [
        version.record
        for version in catalog.versions["contract", contract.contract_id]
        if isinstance(version.record, Contract)
    ]
    start = min(one.effective_from for one in versions)
    policy = contract.credit_policy or CreditPolicy()
    findings = [
        *grant_findings(grant, policy, contract.currency, ()),
        *_in_contract(grant, contract, start, ()),
        *_scope(grant.products, contract, ()),
    ]
    problems = [finding.message.rstrip(".") for finding in findings]
    if not contract.credit_product_id:
        problems.append("the contract has no credit_product, as which credits are sold")
    return problems


def grant_findings(
    grant: CreditGrant, policy: CreditPolicy, currency: str, path: Path
) -> Iterator[Finding]:
    """Yield what is wrong with a grant by itself."""
    in_currency = grant.rate is None and not policy.unit and policy.decimals is None
    can_be_paid = not in_currency or is_payable(grant.amount, currency)
    if grant.amount <= 0 or not can_be_paid:
        message = f"amount {grant.amount} must be more than 0 and payable in {currency}."
        yield Finding("grant", message, (*path, "amount"))
    if (grant.granted_on is None) == (grant.granted_at is None):
        message = "say when the grant starts: `granted_on:` a day, or `granted_at:` an instant."
        yield Finding("grant", message, path)
        return
    yield from _instants(grant, path)
    yield from _cost(grant, policy, path)
    yield from _recurrence(grant, path)
    yield from _validity(grant.valid_months, grant.valid_days, path)
    if grant.roll_over is not None:
        yield from _roll_over(grant, grant.roll_over, (*path, "roll_over"))


def policy_findings(policy: CreditPolicy, path: Path) -> Iterator[Finding]:
    """Yield what is wrong with a policy by itself."""
    if len(set(policy.order)) != len(policy.order):
        yield Finding("credit_policy", "order names a key twice.", (*path, "order"))
    if policy.overdraft < 0:
        message = f"overdraft {policy.overdraft} must be 0 or more: how far below 0 it may go."
        yield Finding("credit_policy", message, (*path, "overdraft"))
    for name in ("decimals", "credit_decimals"):
        value = getattr(policy, name)
        if value is not None and not 0 <= value <= DECIMALS_MAX:
            message = f"{name} {value} must be from 0 to {DECIMALS_MAX}."
            yield Finding("credit_policy", message, (*path, name))
    if policy.top_up is not None:
        yield from _top_up(policy.top_up, (*path, "top_up"))


def _instants(grant: CreditGrant, path: Path) -> Iterator[Finding]:
    for name in ("granted_at", "expires_at", "voided_at"):
        at = getattr(grant, name)
        if at is not None and at.tzinfo is None:
            message = f"{name} {at} needs its offset, such as Z or +01:00."
            yield Finding("grant", message, (*path, name))
            return
    if grant.granted_on and grant.expires_on and grant.expires_on < grant.granted_on:
        message = f"the grant expires ({grant.expires_on}) before it is given ({grant.granted_on})."
        yield Finding("grant", message, (*path, "expires_on"))
        return
    if any(value is not None and value < 1 for value in (grant.valid_months, grant.valid_days)):
        return
    terms = CreditTerms("USD")
    first = next(blocks_of(grant, terms, until=_FAR), None)
    if first is not None and first.expires_at is not None and first.expires_at <= first.starts_at:
        name = "expires_on" if grant.expires_on is not None else "expires_at"
        yield Finding("grant", "the grant expires before it is given.", (*path, name))


def _cost(grant: CreditGrant, policy: CreditPolicy, path: Path) -> Iterator[Finding]:
    if grant.cost is not None and grant.unit_cost is not None:
        yield Finding("grant", "give `cost:` or `unit_cost:`, not both.", (*path, "cost"))
    for name in ("cost", "unit_cost"):
        value = getattr(grant, name)
        if value is not None and value < 0:
            yield Finding("grant", f"{name} {value} must not be negative.", (*path, name))
        if value and grant.kind == "promotional":
            message = f"a promotional grant costs nothing: leave {name} out, or make it paid."
            yield Finding("grant", message, (*path, name))
    if grant.rate is not None and grant.rate <= 0:
        message = f"rate {grant.rate} must be more than 0: what one credit pays."
        yield Finding("grant", message, (*path, "rate"))
    if grant.rate is not None and policy.unit:
        message = f"the contract counts in {policy.unit}: a rate to its currency has no use."
        yield Finding("currency_mismatch", message, (*path, "rate"))


def _recurrence(grant: CreditGrant, path: Path) -> Iterator[Finding]:
    if grant.every_months is not None and grant.every_days is not None:
        message = "give `every_months:` or `every_days:`, not both."
        yield Finding("grant", message, (*path, "every_days"))
    for name in ("every_months", "every_days", "times"):
        value = getattr(grant, name)
        if value is not None and value < 1:
            yield Finding("grant", f"{name} {value} must be 1 or more.", (*path, name))
    if grant.every_months is None and grant.every_days is None:
        for name in ("times", "until_on", "anchor_on", "until_next"):
            if getattr(grant, name):
                message = f"{name} is for a grant that comes again: say every_months or every_days."
                yield Finding("grant", message, (*path, name))


def _validity(months: int | None, days: int | None, path: Path) -> Iterator[Finding]:
    for name, value in (("valid_months", months), ("valid_days", days)):
        if value is not None and value < 1:
            yield Finding("grant", f"{name} {value} must be 1 or more.", (*path, name))


def _roll_over(grant: CreditGrant, rule: RollOver, path: Path) -> Iterator[Finding]:
    ends = (grant.expires_on, grant.expires_at, grant.valid_months, grant.valid_days)
    expires = grant.until_next or any(end is not None for end in ends)
    if rule.at == "expiry" and not expires:
        message = "a grant that never expires has nothing to roll over: say when it expires."
        yield Finding("roll_over", message, path)
    lasts = (rule.valid_months, rule.valid_days, grant.valid_months, grant.valid_days)
    if rule.at == "expiry" and expires and not grant.until_next and not any(lasts):
        message = "say how long what is rolled over lasts: `valid_months:` or `valid_days:`."
        yield Finding("roll_over", message, path)
    yield from _validity(rule.valid_months, rule.valid_days, path)
    if not 0 <= rule.percent <= 100:
        message = f"percent {rule.percent} must be from 0 to 100."
        yield Finding("roll_over", message, (*path, "percent"))
    for name in ("minimum", "maximum", "times"):
        value = getattr(rule, name)
        if value is not None and value < 0:
            yield Finding("roll_over", f"{name} {value} must not be negative.", (*path, name))
    if rule.minimum is not None and rule.maximum is not None and rule.minimum > rule.maximum:
        message = f"minimum {rule.minimum} is more than maximum {rule.maximum}."
        yield Finding("roll_over", message, (*path, "minimum"))


def _top_up(rule: TopUp, path: Path) -> Iterator[Finding]:
    if (rule.amount is None) == (rule.target is None):
        message = "say what is added: `amount:`, or `target:` for what is missing to it."
        yield Finding("top_up", message, path)
    by_calendar = rule.every_months is not None or rule.every_days is not None
    is_low = rule.below is not None or rule.at_or_below is not None
    if not by_calendar and not is_low:
        message = "say when: `below:`, `at_or_below:`, or `every_months:` with `starts_on:`."
        yield Finding("top_up", message, path)
    if by_calendar != (rule.starts_on is not None):
        message = "`starts_on:` and `every_months:` or `every_days:` belong together."
        yield Finding("top_up", message, path)
    for name in ("amount", "target", "rate"):
        value = getattr(rule, name)
        if value is not None and value <= 0:
            yield Finding("top_up", f"{name} {value} must be more than 0.", (*path, name))
    for name in ("every_months", "every_days", "times", "valid_months", "valid_days"):
        value = getattr(rule, name)
        if value is not None and value < 1:
            yield Finding("top_up", f"{name} {value} must be 1 or more.", (*path, name))
    if rule.unit_cost is not None and rule.unit_cost < 0:
        message = f"unit_cost {rule.unit_cost} must not be negative."
        yield Finding("top_up", message, (*path, "unit_cost"))


def _in_contract(
    grant: CreditGrant, contract: Contract, start: date, path: Path
) -> Iterator[Finding]:
    day = grant.granted_on
    if grant.granted_at is not None:
        day = grant.granted_at.date()
    if day is not None and not start <= day < (contract.effective_until or date.max):
        name = "granted_on" if grant.granted_on else "granted_at"
        message = f"{name} {day} is not a day of the contract."
        yield Finding("grant", message, (*path, name))


def _scope(products: Sequence[str], contract: Contract, path: Path) -> Iterator[Finding]:
    sold = {item.product_id for item in contract.items}
    for product in products:
        if product not in sold:
            message = f"the contract does not sell {product!r}: name products of its items."
            yield Finding("unknown_product", message, path)


def _stored_policy(contract: Contract, policy: CreditPolicy) -> Iterator[Finding]:
    """Yield what a vector can compute, but a month's rating does not do by itself yet."""
    path: Path = ("credit_policy",)
    for name in ("tax", "overdraft", "unit", "decimals", "top_up"):
        if getattr(policy, name) != getattr(_BY_DEFAULT, name):
            message = f"{name} is not done by rating a month yet: leave it out."
            yield Finding("credit_policy", message, (*path, name))
    if policy.draw == "as_used":
        message = "draw: as_used is not done by rating a month yet: use for_period or at_invoice."
        yield Finding("credit_policy", message, (*path, "draw"))
    for at, grant in enumerate(contract.credits):
        if grant.roll_over is not None and grant.roll_over.at == "period_end":
            message = "roll-over at period_end is not done by rating a month yet: use expiry."
            yield Finding("roll_over", message, ("credits", at, "roll_over", "at"))
