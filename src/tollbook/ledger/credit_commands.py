"""What a contract's credits come to with what people ordered beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tollbook.records.commercial import Contract
from tollbook.records.credits import CreditCommand, CreditGrant


def with_commands(contract: Contract, commands: Iterable[CreditCommand]) -> Contract:
    """Return the contract with grants that were ordered, and with those ended that were to expire."""
    ordered = list(commands)
    given = tuple(one.grant for one in ordered if one.grant is not None)
    ends = [one for one in ordered if one.kind == "expire"]
    if not given and not ends:
        return contract
    grants = tuple(_ended(grant, ends) for grant in (*contract.credits, *given))
    return replace(contract, credits=grants)


def _ended(grant: CreditGrant, ends: Sequence[CreditCommand]) -> CreditGrant:
    """Return a grant that expires by command at the latest, and then does not roll over."""
    for end in ends:
        if end.grant_id == grant.grant_id:
            known = grant.expires_at
            at = end.effective_at if known is None else min(known, end.effective_at)
            grant = replace(grant, expires_at=at, roll_over=None)
    return grant
