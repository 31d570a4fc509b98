"""Whether a customer may go on, from its thresholds and from what a person decided over them."""

from datetime import datetime

from tollbook.records.alert import CreditControl, CreditState, Override, Standing
from tollbook.values.ids import CustomerId


def control_of(
    customer_id: CustomerId, standing: Standing | None, override: Override | None, *, at: datetime
) -> CreditControl:
    """Return the credit-control state at an instant.

    A person's block blocks. A person's release turns what would block into a warning. A threshold
    of a product's allowance blocks that product and warns of the customer.
    """
    in_force = override if override is not None and _stands(override, at) else None
    reasons = standing.reasons if standing is not None else ()
    blocking = [reason for reason in reasons if reason.action == "block"]
    is_released = in_force is not None and in_force.mode == "release"
    state: CreditState = "ok"
    if any(reason.action != "notify" for reason in reasons):
        state = "warned"
    if any(not reason.product_id for reason in blocking) and not is_released:
        state = "blocked"
    if in_force is not None and in_force.mode == "block":
        state = "blocked"
    products = () if is_released else (r.product_id for r in blocking if r.product_id)
    return CreditControl(
        customer_id=customer_id,
        state=state,
        reasons=reasons,
        blocked_products=tuple(sorted(set(products))),
        balances=standing.balances if standing is not None else {},
        override=in_force,
        as_of=standing.as_of if standing is not None else None,
    )


def _stands(override: Override, at: datetime) -> bool:
    return override.until is None or at < override.until
