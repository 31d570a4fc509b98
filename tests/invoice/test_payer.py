"""A parent pays for its children: documents go to the payer, usage stays the child's."""

from small_month import SmallMonth
from tollbook.reports.verify import verify

CHILD = """
customers:
  - {id: holding, name: Holding, jurisdiction: DE, external_ids: {erp: C-7}}
  - {id: child, name: Child, jurisdiction: US-WA}
contracts:
  - {id: child-1, customer: child, bill_to: holding, entity: us, currency: USD, price_book: usd,
     effective_from: 2023-11-01, items: [small]}
tax_tables:
  - entity: us
    version: 2
    rates:
      - {jurisdiction: US-WA, tax_class: standard, tax_code: WA, rate: 10 %, effective_from: 2020-01-01}
      - {jurisdiction: DE, tax_class: standard, tax_code: WA, rate: 5 %, effective_from: 2020-01-01}
"""


def test_the_parent_is_billed_taxed_and_posted_for_its_child(month: SmallMonth) -> None:
    month.later(CHILD)
    month.use("k1", "child", "small", 1000)
    month.run()

    invoice = month.invoice_of("holding")
    assert (invoice.contract_id, str(invoice.net), str(invoice.tax)) == (
        "child-1",
        "3.33 USD",
        "0.17 USD",
    )
    assert month.erp.bodies[month.key_of(invoice.invoice_id)].customer == "C-7"
    assert month.ask(
        "select distinct customer_id from metered_usage where contract_id = 'child-1'"
    ) == ["child"]
    with month.database.transaction() as connection:
        assert verify(connection, str(invoice.number)).wrong == ()
    assert month.reconcile().variances == ()


def test_late_usage_of_the_child_corrects_the_parents_invoice(month: SmallMonth) -> None:
    month.later(CHILD)
    month.use("k1", "child", "small", 1000)
    month.run()
    month.later()
    month.use("k2", "child", "small", 1000)
    month.run()

    first, second = [one for one in month.invoices().values() if one.customer_id == "holding"]
    assert second.corrects == first.invoice_id
    assert str(second.net) == "3.33 USD"
