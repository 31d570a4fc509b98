"""A street in memory: the production rules of rating and invoicing, without a database."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from tollbook.flow.invoice.assemble import Bundle, Terms, assemble, terms_of
from tollbook.flow.invoice.settlement import Billed
from tollbook.flow.rate.detail.need import Key, Known
from tollbook.flow.rate.difference import Earlier, decide
from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.flow.rate.truth import Elsewhere, Truth, month_truth, year_spans
from tollbook.flow.rate.working import total
from tollbook.flow.tax.apply import policy_of, tax_lines
from tollbook.flow.tax.determine import rates_for
from tollbook.ledger.credits import NONE, Moved
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import REDUCTIONS
from tollbook.records.invoice import Invoice
from tollbook.records.usage import MeteredUsage
from tollbook.values.ids import InvoiceId
from tollbook.values.money import Money, Precise, money_of, settle
from tollbook.values.period import Month

ZERO: Final = Decimal(0)
_USED: Final = {"usage", *REDUCTIONS}


@dataclass(slots=True)
class Books:
    """What was charged and issued so far; every run asks the production rules what is missing."""

    history: dict[Obligation, list[Earlier]] = field(default_factory=lambda: defaultdict(list))
    by_grant: dict[tuple[Month, Obligation], Mapping[str, Moved]] = field(default_factory=dict)
    billed: dict[Obligation, Billed] = field(default_factory=dict)
    issued: dict[InvoiceId, Invoice] = field(default_factory=dict)

    def run(
        self,
        catalog: Catalog,
        month: Month,
        usages: list[MeteredUsage],
        known_uses: Mapping[Key, Known],
    ) -> list[Invoice]:
        """Rate a month and issue what is missing; the first item that cannot be rated is raised."""
        truth = month_truth(
            catalog,
            month,
            usages,
            Elsewhere(
                credit_balances=self._balances(month),
                discounts_given=self._given(month),
                used_before=self._used(catalog, month),
                known_uses=known_uses,
            ),
        )
        for refusal in truth.refusals:
            raise refusal.failure
        self._charge(truth, month)
        return [self._issue(bundle, catalog) for bundle in self._bundles(month, catalog)]

    def _charge(self, truth: Truth, month: Month) -> None:
        mine = {key for key, found in self.history.items() if found[0].rated.month == month}
        for obligation in sorted(truth.charges.keys() | mine):
            decision = decide(truth.charges.get(obligation), self.history[obligation])
            self.history[obligation] = [
                replace(one, is_superseded=one.rated.charge.charge_id in decision.supersede)
                if not one.is_superseded
                else one
                for one in self.history[obligation]
            ]
            if decision.write is not None:
                self.history[obligation].append(Earlier(decision.write))
            if not self.history[obligation]:
                del self.history[obligation]
            self.by_grant[month, obligation] = truth.by_grant.get(obligation, {})

    def _bundles(self, month: Month, catalog: Catalog) -> list[tuple[Bundle, Invoice]]:
        groups: dict[Terms, list[RatedCharge]] = defaultdict(list)
        for found in self.history.values():
            for one in found:
                if one.rated.month == month and not one.is_billed and not one.is_superseded:
                    groups[terms_of(one.rated, catalog)].append(one.rated)
        bundles = []
        for terms, charges in sorted(groups.items()):
            corrects = terms.first_id if terms.first_id in self.issued else None
            bundle = Bundle(terms, tuple(charges), self.billed, corrects)
            draft = assemble(bundle, catalog)
            if draft is not None:
                bundles.append((bundle, draft))
        return bundles

    def _issue(self, found: tuple[Bundle, Invoice], catalog: Catalog) -> Invoice:
        bundle, draft = found
        day = draft.service_month.last
        entity, customer = (
            catalog.entity(draft.entity_id, day),
            catalog.customer(draft.customer_id, day),
        )
        assert entity is not None
        assert customer is not None
        rates = rates_for(
            draft,
            table=catalog.tax_table(draft.entity_id, day),
            jurisdiction=customer.jurisdiction,
            on=day,
            original=self.issued.get(draft.corrects) if draft.corrects else None,
        )
        invoice = replace(draft, taxes=tax_lines(draft.lines, rates, policy_of(entity)))
        self.issued[invoice.invoice_id] = invoice
        amounts = {line.charge_id: line.amount for line in invoice.lines}
        for rated in bundle.charges:
            if rated.charge.charge_id in amounts:
                self._bill(rated, amounts[rated.charge.charge_id])
        return invoice

    def _bill(self, rated: RatedCharge, amount: Money) -> None:
        key, currency = obligation_key(rated), amount.currency
        before = self.billed.get(key) or Billed(Precise(ZERO, currency), Money(0, currency))
        self.billed[key] = Billed(before.exact + rated.charge.amount, before.money + amount)
        self.history[key] = [
            replace(one, is_billed=one.is_billed or one.rated == rated) for one in self.history[key]
        ]

    def _balances(self, month: Month) -> dict[str, dict[str, Moved]]:
        found: dict[str, dict[str, Moved]] = defaultdict(dict)
        for (other, obligation), moved in self.by_grant.items():
            for grant, one in moved.items() if other != month else ():
                balances = found[obligation.contract_id]
                balances[grant] = balances.get(grant, NONE) + one
        return found

    def _used(self, catalog: Catalog, month: Month) -> dict[str, Money]:
        spans = year_spans(catalog, month)
        found: dict[str, Money] = {}
        for obligation, charges in self.history.items():
            since = spans.get(obligation.contract_id)
            counting = [one.rated for one in charges if not one.is_superseded]
            is_before = since is not None and since <= charges[0].rated.month < month
            is_usage = replace(obligation, kind="usage", rule_id="") in self.history
            if not (counting and is_before and is_usage and obligation.kind in _USED):
                continue
            exact = Precise(total(one.charge.amount.value for one in counting), obligation.currency)
            money = settle(exact, counting[-1].charge.rounding).money
            nothing = Money(0, obligation.currency)
            found[obligation.contract_id] = found.get(obligation.contract_id, nothing) + money
        return found

    def _given(self, month: Month) -> dict[str, dict[str, Money]]:
        found: dict[str, dict[str, Money]] = defaultdict(dict)
        for obligation, charges in self.history.items():
            for one in charges:
                counts = obligation.kind == "discount" and not one.is_superseded
                if counts and one.rated.month < month:
                    given = found[obligation.contract_id]
                    amount = Money(0, obligation.currency)
                    given[obligation.rule_id] = given.get(obligation.rule_id, amount) + money_of(
                        one.rated.charge.amount.value, obligation.currency
                    )
        return found
