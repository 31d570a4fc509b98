"""What every posting target must do, as a suite: subclass it, give it a rig, and all of it runs."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Protocol

from tollbook.errors import Blocked, Failure, Rejected, Unknown
from tollbook.records.posting import DocumentKind, FinanceDocument, Receipt
from tollbook.sdk.outcomes import CLOSED_PERIOD, REASONS
from tollbook.sdk.target import Target


class Rig(Protocol):
    """A target on an outside system that a test controls. All documents lie in one open month."""

    target: Target

    def document(self, kind: DocumentKind, name: str) -> FinanceDocument:
        """Make a valid document; the same name gives the same document and key.

        A credit memo corrects the invoice of the same name.
        """
        ...

    def count(self, document: FinanceDocument) -> int:
        """Count the documents the outside system holds under the key, by its own books."""
        ...

    def lose_next_reply(self) -> bool:
        """Carry out the next write but lose its answer; False when the rig cannot do that."""
        ...

    def close_period(self, day: date) -> bool:
        """Close the accounting month of a day; False when the rig cannot do that."""
        ...

    def open_period(self, day: date) -> None:
        """Open it again."""
        ...


def refusal_of(target: Target, document: FinanceDocument) -> Failure:
    """Return the failure that sending the document raises; an acceptance is an assertion."""
    try:
        answer = target.send(document)
    except Failure as failure:
        return failure
    raise AssertionError(f"accepted as {answer}")


class TargetConformance:
    """The suite. A subclass provides the fixture `rig`."""

    def test_each_kind_it_declares_is_posted_and_read_back(self, rig: Rig) -> None:
        """Posted once, and the receipt says what was sent."""
        for kind in rig.target.capabilities.kinds:
            document = rig.document(kind, f"each-{kind}")
            if kind == "credit_memo":
                rig.target.send(rig.document("invoice", f"each-{kind}"))

            receipt = rig.target.send(document)

            assert isinstance(receipt, Receipt)
            assert (receipt.net, receipt.tax, receipt.total) == (
                document.net,
                document.tax,
                document.total,
            )
            assert receipt.currency == document.currency
            assert receipt.period in {None, f"{document.accounting_date:%Y-%m}"}
            assert receipt.customer in {None, document.customer}
            assert receipt.line_count in {None, len(document.lines)}
            assert receipt.state == "posted"
            assert rig.count(document) == 1

    def test_a_document_it_was_never_sent_is_absent(self, rig: Rig) -> None:
        """A look-up says None, not an error."""
        for kind in rig.target.capabilities.kinds:
            assert rig.target.look_up(rig.document(kind, f"never-{kind}")) is None

    def test_a_look_up_finds_what_sending_returned(self, rig: Rig) -> None:
        """Both read the same books."""
        document = rig.document("invoice", "found")
        sent = rig.target.send(document)

        assert rig.target.look_up(document) == sent

    def test_a_second_send_of_a_unique_key_is_doubt_and_makes_no_double(self, rig: Rig) -> None:
        """The refusal of a duplicate does not say whose document it is: look it up."""
        if rig.target.capabilities.key_guard != "unique_key":
            return
        for kind in rig.target.capabilities.kinds:
            document = rig.document(kind, f"twice-{kind}")
            if kind == "credit_memo":
                rig.target.send(rig.document("invoice", f"twice-{kind}"))
            rig.target.send(document)

            refusal = refusal_of(rig.target, document)

            assert isinstance(refusal, Unknown), kind
            assert rig.count(document) == 1

    def test_a_lost_reply_is_doubt_and_a_look_up_ends_it(self, rig: Rig) -> None:
        """The document is there although nothing was heard."""
        if not rig.lose_next_reply():
            return
        document = rig.document("invoice", "lost")

        refusal = refusal_of(rig.target, document)

        assert isinstance(refusal, Unknown)
        assert isinstance(rig.target.look_up(document), Receipt)
        assert rig.count(document) == 1

    def test_a_closed_period_blocks_until_it_is_open(self, rig: Rig) -> None:
        """Not the document's fault, and nothing is booked elsewhere meanwhile."""
        document = rig.document("invoice", "closed")
        if not rig.close_period(document.accounting_date):
            return

        refusal = refusal_of(rig.target, document)
        rig.open_period(document.accounting_date)

        assert isinstance(refusal, Blocked)
        assert refusal.code == CLOSED_PERIOD
        assert rig.count(document) == 0
        assert isinstance(rig.target.send(document), Receipt)

    def test_an_unknown_customer_is_rejected_by_that_name(self, rig: Rig) -> None:
        """A person corrects the customer; no other reason would send them there."""
        document = replace(rig.document("invoice", "nobody"), customer="nobody-of-that-name")

        refusal = refusal_of(rig.target, document)

        assert isinstance(refusal, Rejected)
        assert refusal.code == "post.rejected.unknown_customer"
        assert rig.count(document) == 0

    def test_an_unknown_account_is_rejected(self, rig: Rig) -> None:
        """The reason is one of the reasons, and nothing is booked."""
        document = rig.document("journal", "no-account")
        lines = (replace(document.lines[0], account="987654321"), *document.lines[1:])
        document = replace(document, lines=lines)

        refusal = refusal_of(rig.target, document)

        assert isinstance(refusal, Rejected)
        assert refusal.code.removeprefix("post.rejected.") in REASONS
        assert rig.count(document) == 0

    def test_an_unbalanced_journal_is_refused(self, rig: Rig) -> None:
        """Debits equal credits in every ledger, also if our own check ever failed."""
        document = rig.document("journal", "unbalanced")
        first = replace(document.lines[0], amount=document.lines[0].amount + Decimal("0.01"))
        document = replace(document, lines=(first, *document.lines[1:]))

        refusal = refusal_of(rig.target, document)

        assert isinstance(refusal, Rejected)
        assert rig.count(document) == 0
