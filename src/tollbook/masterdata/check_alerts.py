"""Checks of a contract's alerts: what each watches must be there, and be told in the right unit."""

from collections.abc import Iterator
from typing import Final

from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.problems import Finding, Path
from tollbook.records.alert import Alert, Watched
from tollbook.records.commercial import Contract

_OF_AMOUNTS: Final[frozenset[Watched]] = frozenset({"charges", "projection", "balance"})


def check_alerts(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    """Check the alerts of a contract, each alone and their names together."""
    seen: set[str] = set()
    for at, alert in enumerate(contract.alerts):
        where: Path = ("alerts", at)
        if alert.alert_id in seen:
            message = f"{alert.alert_id} is the id of two alerts: give each its own."
            yield Finding("duplicate", message, where)
        seen.add(alert.alert_id)
        for message in (*_threshold(alert), *_subject(alert, contract, catalog)):
            yield Finding("alert", f"{alert.alert_id}: {message}", where)


def _threshold(alert: Alert) -> Iterator[str]:
    wanted, other = (
        ("amount", alert.percent) if alert.watches in _OF_AMOUNTS else ("percent", alert.amount)
    )
    found = alert.amount if wanted == "amount" else alert.percent
    if found is None or other is not None:
        yield f"an alert that watches {alert.watches} has `{wanted}:` and nothing else."
        return
    # A balance may be watched until nothing is left.
    if found < 0 or (found == 0 and alert.watches != "balance"):
        yield f"the {wanted} is {found}: it must be more than 0."


def _subject(alert: Alert, contract: Contract, catalog: Catalog) -> Iterator[str]:
    if alert.watches == "allowance":
        product = catalog.product(alert.product_id, contract.effective_from)
        sold = {item.product_id for item in contract.items}
        if alert.product_id not in sold or product is None or product.meter_id is None:
            yield "`product:` must be a metered product that the contract sells."
    elif alert.product_id:
        yield "`product:` is for an alert that watches an allowance."
    if alert.watches == "commitment" and contract.commitment is None:
        yield "the contract has no commitment."
    if alert.watches in {"credits", "balance"} and not contract.credit_product_id:
        yield "the contract sells no prepaid credits."
