"""Vectors of prepaid credits: grants, a policy and what happens come to movements and balances."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.ledger.credit_blocks import Block, CreditTerms, blocks_of
from tollbook.ledger.credit_book import Movement, sum_of
from tollbook.ledger.credit_pay import Line, Paid
from tollbook.ledger.credit_timeline import Happening, HappeningKind, Run, Step
from tollbook.ledger.credit_timeline import run as run_timeline
from tollbook.ledger.credits import changes
from tollbook.masterdata.check_credits import grant_findings, policy_findings
from tollbook.masterdata.documents import documents_to_versions
from tollbook.records.commercial import Contract
from tollbook.records.credits import CreditGrant, CreditPolicy
from tollbook.values.money import Money, minor_exponent
from tollbook.values.period import Period
from tollbook.values.zone import day_start, zone_named
from tollbook.vectors.given import day, instant, invalid, items, mapping, number, only, text

_WHOLE: Final = re.compile(r"-?[0-9]+")
_WORDS: Final = {"yes": True, "true": True, "no": False, "false": False}
_KINDS: Final[tuple[HappeningKind, ...]] = (
    "use", "invoice", "top_up", "expire", "void", "deduct", "refund", "period_end", "look",
)  # fmt: skip
_DRAWS: Final = frozenset({"drawdown", "return"})
_ENDS: Final = frozenset({"expiry", "roll_over", "grant", "void"})


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Let everything happen, and show movements, balances, and who paid what."""
    only(given, "currency", "zone", "policy", "grants", "happenings", "late", "until")
    terms, grants = _contract(given)
    known = [_happening(one, terms) for one in items(given, "happenings")]
    late = [_happening(one, terms) for one in items(given, "late")]
    until = _until(given, terms, [*known, *late])
    blocks = [
        block
        for listed, grant in enumerate(grants)
        for block in blocks_of(grant, terms, until=until, listed=listed)
    ]
    found = run_timeline(terms, blocks, [*known, *late], until=until)
    shown = _shown(found, terms)
    if late:
        before = run_timeline(terms, blocks, known, until=until)
        shown["changes"] = changes(_moved(found, _DRAWS), _moved(before, _DRAWS))
        shown["lapse_changes"] = changes(_moved(found, _ENDS), _moved(before, _ENDS))
    return shown


def _contract(given: Mapping[str, Any]) -> tuple[CreditTerms, list[CreditGrant]]:
    """Read grants and policy as production reads them in a contract, and check them alike."""
    currency, zone = text(given, "currency"), text(given, "zone", "UTC")
    try:
        minor_exponent(currency)
        zone_named(zone)
    except ValueError as error:
        raise invalid(str(error)) from error
    contract = _read(
        {
            "currency": currency,
            "credits": items(given, "grants"),
            "credit_policy": mapping(given, "policy"),
        }
    )
    policy = contract.credit_policy or CreditPolicy()
    findings = list(policy_findings(policy, ("policy",)))
    for at, grant in enumerate(contract.credits):
        findings += grant_findings(grant, policy, currency, ("grants", at))
    _refuse(finding.message for finding in findings)
    return CreditTerms(currency, zone, policy), list(contract.credits)


def _read(content: Mapping[str, Any]) -> Contract:
    document = {
        "id": "contract",
        "customer": "customer",
        "entity": "entity",
        "price_book": "book",
        "effective_from": "2000-01-01",
        "items": [],
        **{key: _typed(value) for key, value in content.items()},
    }
    wanted = documents_to_versions({"contracts": [document]})
    _refuse(problem.message for problem in wanted.problems)
    (version,) = wanted.versions
    assert isinstance(version.record, Contract)
    return version.record


def _refuse(messages: Iterable[str]) -> None:
    problems = "; ".join(message.rstrip(".") for message in messages)
    if problems:
        raise Rejected("credits.invalid", f"The credits cannot be used: {problems}.")


def _typed(value: Any) -> Any:
    """Give whole numbers and yes or no the type that a file of master data gives them."""
    if isinstance(value, Mapping):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    plain = str(value).replace("_", "") if str(value)[:1].isdigit() else str(value)
    if _WHOLE.fullmatch(plain):
        return int(plain)
    return _WORDS.get(plain, plain)


def _happening(one: Mapping[str, Any], terms: CreditTerms) -> Happening:
    kinds = [kind for kind in _KINDS if kind in one]
    if len(kinds) != 1:
        raise invalid(f"a happening is one of {', '.join(_KINDS)}")
    (kind,) = kinds
    known: dict[str, Any] = {"at": _when(one, terms), "kind": kind, "label": text(one, "name", "")}
    match kind:
        case "use":
            only(one, "on", "at", "name", kind, "product", "tax")
            known["lines"] = (_line({**one, "amount": one["use"]}),)
        case "invoice":
            only(one, "on", "at", "name", kind, "from", "until")
            known["lines"] = _lines(one)
            known["period"] = _period(one, terms)
        case "top_up":
            only(one, "on", "at", "name", kind)
            known["grant"] = _top_up(mapping(one, kind), known["at"], terms)
        case "expire" | "void" | "refund":
            only(one, "on", "at", "name", kind, "amount")
            known["grant_id"] = text(one, kind)
            known["amount"] = number(one, "amount") if "amount" in one else None
        case "deduct":
            only(one, "on", "at", "name", kind)
            known["amount"] = number(one, kind)
        case "period_end" | "look":
            only(one, "on", "at", "name", kind)
            known["label"] = known["label"] or text(one, kind)
    return Happening(**known)


def _when(one: Mapping[str, Any], terms: CreditTerms) -> datetime:
    if ("at" in one) == ("on" in one):
        raise invalid("a happening has `on:`, a day, or `at:`, an instant")
    return instant(one, "at") if "at" in one else day_start(day(one, "on"), terms.zone)


def _period(one: Mapping[str, Any], terms: CreditTerms) -> Period | None:
    if "from" not in one and "until" not in one:
        if terms.policy.draw == "for_period":
            raise invalid("an invoice for a period has `from:` and `until:`, its first days")
        return None
    return Period(day_start(day(one, "from"), terms.zone), day_start(day(one, "until"), terms.zone))


def _lines(one: Mapping[str, Any]) -> tuple[Line, ...]:
    """Read the lines of an invoice; `invoice: used` bills what was used."""
    if one["invoice"] == "used":
        return ()
    lines = items(one, "invoice")
    for line in lines:
        only(line, "product", "amount", "tax")
    return tuple(_line(line) for line in lines)


def _line(one: Mapping[str, Any]) -> Line:
    rate = str(one.get("tax", "0"))
    percent = number({"tax": rate.removesuffix("%").strip()}, "tax")
    tax = percent.scaleb(-2) if rate.endswith("%") else percent
    return Line(text(one, "product", ""), number(one, "amount"), tax)


def _top_up(written: Mapping[str, Any], at: datetime, terms: CreditTerms) -> CreditGrant:
    (grant,) = _read(
        {
            "currency": terms.currency,
            "credits": [{"id": "top-up", **written, "granted_at": at.isoformat()}],
        }
    ).credits
    _refuse(one.message for one in grant_findings(grant, terms.policy, terms.currency, ()))
    return grant


def _until(given: Mapping[str, Any], terms: CreditTerms, all_: list[Happening]) -> datetime:
    if "until" in given:
        is_day = "T" not in text(given, "until")
        return day_start(day(given, "until"), terms.zone) if is_day else instant(given, "until")
    if not all_:
        raise invalid("say `until:` when nothing happens")
    return max(one.at for one in all_)


def _moved(found: Run, kinds: frozenset[str]) -> dict[str, Decimal]:
    moved: dict[str, list[Decimal]] = {}
    for one in found.movements:
        if one.kind in kinds:
            moved.setdefault(one.block_id, []).append(one.amount)
    return {block_id: sum_of(amounts) for block_id, amounts in moved.items()}


def _shown(found: Run, terms: CreditTerms) -> dict[str, Any]:
    paid = [one for step in found.steps for one in step.paid]
    draws = [draw for one in paid for draw in one.draws]
    return {
        "balance": found.balance,
        "balances": _by_grant(found.balances, found.blocks),
        "blocks": found.balances,
        "paid": sum_of(draw.paid for draw in draws),
        "rest": sum_of([*(one.rest for one in paid), *(step.billed for step in found.steps)]),
        "tax": sum_of(one.tax for one in paid),
        "draws": _draws(paid, found.blocks),
        "order": list(dict.fromkeys(draw.block_id for draw in draws)),
        "kinds": _by_kind(found.movements),
        "overdraft": _of_kind(found.movements, "overdraft").copy_abs(),
        "used_cost": _cost(found.movements, _DRAWS, terms),
        "breakage": _cost(found.movements, frozenset({"expiry"}), terms),
        "refunded": sum_of(step.refunded.major for step in found.steps),
        "cost_left": sum_of(cost.major for cost in found.costs.values()),
        "movements": [_movement(one) for one in found.movements],
        "steps": [_step(step, found.blocks) for step in found.steps],
        "named": {
            step.happening.label: _step(step, found.blocks)
            for step in found.steps
            if step.happening.label
        },
    }


def _by_grant(balances: Mapping[str, Decimal], blocks: Mapping[str, Block]) -> dict[str, Decimal]:
    grouped: dict[str, list[Decimal]] = {}
    for block_id, balance in balances.items():
        grouped.setdefault(blocks[block_id].grant.grant_id, []).append(balance)
    return {grant_id: sum_of(found) for grant_id, found in grouped.items()}


def _draws(paid: Iterable[Paid], blocks: Mapping[str, Block]) -> dict[str, Decimal]:
    grouped: dict[str, list[Decimal]] = {}
    for draw in (draw for one in paid for draw in one.draws):
        name = blocks[draw.block_id].grant.grant_id if draw.block_id in blocks else draw.block_id
        grouped.setdefault(name, []).append(draw.paid)
    return {name: sum_of(found) for name, found in grouped.items()}


def _by_kind(movements: Iterable[Movement]) -> dict[str, Decimal]:
    grouped: dict[str, list[Decimal]] = {}
    for one in movements:
        grouped.setdefault(one.kind, []).append(one.amount)
    return {kind: sum_of(found) for kind, found in grouped.items()}


def _of_kind(movements: Iterable[Movement], kind: str) -> Decimal:
    return sum_of(one.amount for one in movements if one.kind == kind)


def _cost(movements: Iterable[Movement], kinds: frozenset[str], terms: CreditTerms) -> Decimal:
    minor = sum(one.cost.minor for one in movements if one.kind in kinds)
    return Money(-minor, terms.currency).major


def _movement(one: Movement) -> dict[str, Any]:
    return {
        "at": one.at,
        "kind": one.kind,
        "grant": one.block_id,
        "amount": one.amount,
        "balance": one.balance,
        "cost": one.cost.major,
        "product": one.product,
        "cause": one.cause,
        "paid": one.paid,
    }


def _step(step: Step, blocks: Mapping[str, Block]) -> dict[str, Any]:
    return {
        "at": step.happening.at,
        "paid": sum_of(one.credited for one in step.paid),
        "rest": sum_of([*(one.rest for one in step.paid), step.billed]),
        "tax": sum_of(one.tax for one in step.paid),
        "refunded": step.refunded.major,
        "draws": _draws(step.paid, blocks),
        "balance": step.balance,
        "balances": _by_grant(step.balances, blocks),
        "blocks": step.balances,
        "lines": [
            {
                "product": one.line.product,
                "net": one.net,
                "paid": one.credited,
                "tax": one.tax,
                "rest": one.rest,
                "draws": _draws([one], blocks),
            }
            for one in step.paid
        ],
    }
