"""Tryton as a posting target: create, post, read back, all under one external key."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from tollbook.connectors.tryton.client import Refused, TrytonClient
from tollbook.connectors.tryton.mapping import (
    INVOICE_FIELDS,
    MOVE_FIELDS,
    Names,
    accounts_named,
    invoice_receipt,
    invoice_values,
    model_of,
    move_receipt,
    move_values,
)
from tollbook.connectors.tryton.refusals import classify
from tollbook.errors import Failure, Rejected, Transient
from tollbook.records.posting import FinanceDocument, Receipt
from tollbook.sdk.http import HttpClient
from tollbook.sdk.manifest import read_capabilities
from tollbook.sdk.outcomes import (
    closed_period,
    duplicate_key,
    no_answer,
    rejected,
    unavailable,
)
from tollbook.sdk.target import Capabilities
from tollbook.values.clock import Clock

REQUIRED_OPTIONS: Final = ("url", "database", "password")


class TrytonTarget:
    """Posts invoices, credit memos and journals into one Tryton database."""

    def __init__(self, client: TrytonClient) -> None:
        self._client = client
        self._capabilities = read_capabilities("tollbook.connectors.tryton")

    @property
    def capabilities(self) -> Capabilities:
        """What Tryton with the `tollbook` module can do."""
        return self._capabilities

    def send(self, document: FinanceDocument) -> Receipt:
        """Create and post the document; return what Tryton holds afterwards."""
        model = model_of(document)
        company, currency = self._company(document)
        self._discard_draft(document, company)
        names = self._names(document, company, currency)
        is_move = model == "account.move"
        values = move_values(document, names) if is_move else invoice_values(document, names)
        try:
            created = self._client.call(company, model, "create", [values])
        except Refused as refusal:
            raise classify(refusal.message, document) from refusal
        try:
            self._client.call(company, model, "post", created)
        except Refused as refusal:
            # A draft that stays would keep its period from being closed.
            with suppress(Refused, Failure):
                self._client.call(company, model, "delete", created)
            raise classify(refusal.message, document) from refusal
        try:
            receipt = self._find(document, company)
        except Transient as failure:
            raise no_answer(f"posted, but not read back: {failure.message}") from failure
        assert receipt is not None, "a posted document is found by its key"
        return receipt

    def look_up(self, document: FinanceDocument) -> Receipt | None:
        """Find the posted document by its key; a draft left by a crash does not count."""
        company, _ = self._company(document)
        receipt = self._find(document, company)
        return receipt if receipt is not None and receipt.state == "posted" else None

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    def _find(self, document: FinanceDocument, company: int) -> Receipt | None:
        mine = [["company", "=", company], ["external_key", "=", document.key]]
        if model_of(document) == "account.invoice":
            rows = self._search(company, "account.invoice", mine, INVOICE_FIELDS)
            return invoice_receipt(rows[0]) if rows else None
        rows = self._search(company, "account.move", mine, MOVE_FIELDS)
        if not rows:
            return None
        of_move = [["move", "=", rows[0]["id"]]]
        lines = self._search(company, "account.move.line", of_move, ("debit",))
        return move_receipt(rows[0], [line["debit"] for line in lines])

    def _discard_draft(self, document: FinanceDocument, company: int) -> None:
        """Delete what a crash or a refusal between create and post left under our key."""
        found = self._find(document, company)
        if found is None or found.state == "posted":
            return
        try:
            self._client.call(company, model_of(document), "delete", [int(found.reference)])
        except Refused as refusal:
            now = self._find(document, company)
            if now is not None and now.state == "posted":
                # An earlier send that nobody heard of any more posted it just now.
                raise duplicate_key(document.key) from refusal
            raise classify(refusal.message, document) from refusal

    def _company(self, document: FinanceDocument) -> tuple[int, int]:
        code = document.company
        rows = self._search(None, "company.company", [["party.code", "=", code]], ("currency",))
        if not rows:
            raise rejected("validation", f"there is no company {code}", cause=f"{code}|company")
        return rows[0]["id"], rows[0]["currency"]

    def _names(self, document: FinanceDocument, company: int, currency: int) -> Names:
        """Look up Tryton's ids; what it does not have is a refusal a person can act on."""
        journals = self._search(company, "account.journal", [], ("code",))
        names = Names(
            company=company,
            currency=self._currency(document, currency),
            accounts=self._accounts(document, company),
            journals={row["code"]: row["id"] for row in journals},
            taxes=self._taxes(document, company),
        )
        if document.kind == "journal":
            return names.with_period(self._period(document, company))
        party = self._party(document, company)
        return names.with_customer(
            party["id"], party["addresses"][0], self._payment_term(document, company)
        )

    def _accounts(self, document: FinanceDocument, company: int) -> dict[str, int]:
        found, missing = self._look_up(company, "account.account", "code", accounts_named(document))
        if missing:
            raise rejected(
                "invalid_account",
                f"company {document.company} has no GL account {missing}",
                cause=f"{document.company}|{missing}",
            )
        return found

    def _taxes(self, document: FinanceDocument, company: int) -> dict[str, int]:
        wanted = sorted({tax.code for tax in document.taxes})
        if not wanted:
            return {}
        found, missing = self._look_up(company, "account.tax", "name", wanted)
        if missing:
            raise rejected(
                "missing_or_invalid_tax",
                f"company {document.company} has no tax {missing}",
                cause=f"{document.company}|{missing}",
            )
        return found

    def _look_up(
        self, company: int, model: str, field: str, wanted: Sequence[str]
    ) -> tuple[dict[str, int], str]:
        """Return the ids of a company's records by a field, and which of the wanted are missing."""
        domain = [["company", "=", company], [field, "in", wanted]]
        rows = self._search(company, model, domain, (field,))
        found = {row[field]: row["id"] for row in rows}
        return found, ", ".join(sorted(set(wanted) - found.keys()))

    def _currency(self, document: FinanceDocument, own: int) -> int:
        code = document.currency
        rows = self._search(None, "currency.currency", [["code", "=", code]], ("code",))
        if not rows:
            raise rejected("invalid_currency", f"there is no currency {code}", cause=code)
        found: int = rows[0]["id"]
        if found != own and document.kind == "journal":
            raise rejected(
                "invalid_currency",
                f"journals of company {document.company} are in its own currency, not {code}",
                cause=f"{document.company}|{code}",
            )
        return found

    def _party(self, document: FinanceDocument, company: int) -> Mapping[str, Any]:
        domain = [["code", "=", document.customer]]
        rows = self._search(company, "party.party", domain, ("addresses",))
        if not rows or not rows[0]["addresses"]:
            raise rejected(
                "unknown_customer",
                f"there is no customer {document.customer} with an address",
                cause=document.customer,
            )
        return rows[0]

    def _payment_term(self, document: FinanceDocument, company: int) -> int | None:
        name = document.settings.get("payment_term")
        if name is None:
            return None
        domain = [["name", "=", name]]
        rows = self._search(company, "account.invoice.payment_term", domain, ("name",))
        if not rows:
            raise rejected("validation", f"there is no payment term {name}", cause=name)
        found: int = rows[0]["id"]
        return found

    def _period(self, document: FinanceDocument, company: int) -> int:
        day = document.accounting_date
        domain = [
            ["company", "=", company],
            ["type", "=", "standard"],
            ["start_date", "<=", day],
            ["end_date", ">=", day],
        ]
        rows = self._search(company, "account.period", domain, ("name",))
        if not rows:
            raise closed_period(f"{day:%Y-%m}", "it does not exist", company=document.company)
        found: int = rows[0]["id"]
        return found

    def _search(
        self, company: int | None, model: str, domain: list[Any], fields: tuple[str, ...]
    ) -> list[dict[str, Any]]:
        order = [["id", "ASC"]]
        arguments = [domain, 0, None, order, list(fields)]
        try:
            rows: list[dict[str, Any]] = self._client.call(
                company, model, "search_read", *arguments
            )
        except Refused as refusal:
            # What we may not read is no document's fault.
            raise unavailable(f"Tryton does not let us read {model}: {refusal}") from refusal
        return rows


def connect(options: Mapping[str, str], clock: Clock) -> TrytonTarget:
    """Build the target from settings: url, database, user (default admin), password."""
    missing = [name for name in REQUIRED_OPTIONS if not options.get(name)]
    if missing:
        raise Rejected(
            "config.target", f"A Tryton target needs {', '.join(missing)} in tollbook.toml."
        )
    client = TrytonClient(
        HttpClient(clock),
        options["url"],
        options["database"],
        user=options.get("user", "admin"),
        password=options["password"],
    )
    return TrytonTarget(client)
