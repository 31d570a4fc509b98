"""Give, end and refund prepaid credits by command: checked, audited, booked when the month is rated."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.flow.rate.live.store import note_change
from tollbook.flow.rate.store import lock
from tollbook.ledger.credit_book import portion
from tollbook.ledger.credit_commands import with_commands
from tollbook.ledger.credit_store import add_command, commands, held_by
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.check_credits import grant_problems, read_grant
from tollbook.records.commercial import Contract
from tollbook.records.credits import CreditCommand
from tollbook.storage.database import Connection
from tollbook.values.codec import content_hash, to_json
from tollbook.values.ids import derive
from tollbook.values.money import EXACT, Precise, settle


def order_grant(
    connection: Connection,
    *,
    catalog: Catalog,
    contract_id: str,
    written: Mapping[str, Any],
    by: str,
    reason: str,
    at: datetime,
) -> CreditCommand:
    """Give credits to a contract, as if they stood in it; Rejected `credits.*` when they cannot be.

    `written` is the grant as in a contract file. It is billed when its month is rated.
    """
    contract = _contract(connection, catalog, contract_id, at)
    grant = read_grant(written)
    problems = grant_problems(grant, contract, catalog)
    taken = {one.grant_id for key in catalog.keys("contract") for one in _granted(catalog, key, at)}
    taken |= {one.grant_id for one in contract.credits}
    if grant.grant_id in taken:
        problems.append(f"grant id {grant.grant_id} is used already")
    if problems:
        raise Rejected("credits.invalid", f"The credits cannot be used: {'; '.join(problems)}.")
    start = grant.granted_at or at
    command = CreditCommand("", contract_id, "grant", grant.grant_id, start, by, reason, grant)
    return _order(connection, command, at=at)


def order_expiry(  # noqa: PLR0913 - each fact is named by its caller
    connection: Connection,
    *,
    catalog: Catalog,
    contract_id: str,
    grant_id: str,
    effective_at: datetime | None = None,
    by: str,
    reason: str,
    at: datetime,
) -> CreditCommand:
    """End a grant at an instant, now if none is given; what is left then lapses."""
    contract = _contract(connection, catalog, contract_id, at)
    if grant_id not in {grant.grant_id for grant in contract.credits}:
        raise _unknown(grant_id, contract_id)
    command = CreditCommand("", contract_id, "expire", grant_id, effective_at or at, by, reason)
    return _order(connection, command, at=at)


def order_refund(  # noqa: PLR0913 - each fact is named by its caller
    connection: Connection,
    *,
    catalog: Catalog,
    contract_id: str,
    grant_id: str,
    amount: Decimal | None = None,
    by: str,
    reason: str,
    at: datetime,
) -> CreditCommand:
    """Pay back what is left of a batch, or a part of it, at what it had cost."""
    contract = _contract(connection, catalog, contract_id, at)
    root = grant_id.partition("+")[0].partition("/")[0]
    grant = next((one for one in contract.credits if one.grant_id == root), None)
    held = held_by(connection, [contract_id]).get((contract_id, grant_id))
    if grant is None or held is None:
        raise _unknown(grant_id, contract_id)
    if grant.kind == "promotional":
        raise Rejected(
            "credits.not_refundable", f"Grant {grant_id} was given: nothing is paid back."
        )
    wanted = held.amount if amount is None else amount
    if not 0 < wanted <= held.amount:
        raise Rejected(
            "credits.too_much", f"{wanted} credits cannot be taken: there are {held.amount}."
        )
    cost = settle(Precise(held.cost, contract.currency)).money
    left = portion(cost, EXACT.subtract(held.amount, wanted), held.amount)
    refunded = (cost - left).major
    command = CreditCommand(
        "", contract_id, "refund", grant_id, at, by, reason, amount=wanted, cost=refunded
    )
    return _order(connection, command, at=at)


def _order(connection: Connection, command: CreditCommand, *, at: datetime) -> CreditCommand:
    if not command.reason.strip():
        raise Rejected("credits.no_reason", "Say why: it goes into the audit trail.")
    identity = content_hash([replace(command, command_id=""), at])
    known = replace(command, command_id=derive("cmd", command.contract_id, identity))
    if add_command(connection, known, at=at):
        audit.record(
            connection,
            at=at,
            actor=known.ordered_by,
            action=f"credits.{known.kind}",
            object_id=f"{known.contract_id}/{known.grant_id}",
            reason=known.reason,
            after=to_json(known).decode(),
        )
        note_change(connection, known.contract_id)
    return known


def _contract(connection: Connection, catalog: Catalog, contract_id: str, at: datetime) -> Contract:
    """Return the contract in force with its commands; decisions of charges wait meanwhile."""
    lock(connection)
    contract = catalog.contract(contract_id, at.date())
    if contract is None:
        raise Rejected("credits.unknown_contract", f"There is no contract {contract_id} now.")
    return with_commands(contract, commands(connection).get(contract_id, []))


def _granted(catalog: Catalog, key: str, at: datetime) -> Any:
    contract = catalog.contract(key, at.date())
    return contract.credits if contract is not None else ()


def _unknown(grant_id: str, contract_id: str) -> Rejected:
    return Rejected(
        "credits.unknown_grant", f"Contract {contract_id} holds no credits {grant_id!r}."
    )
