"""An ERP in memory that can refuse, lose replies, commit late, and die under the caller."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tollbook.records.posting import DocumentLine, DocumentTax, FinanceDocument, Receipt
from tollbook.sdk.outcomes import (
    closed_period,
    duplicate_key,
    no_answer,
    not_executed,
    rejected,
    throttled,
    unavailable,
)
from tollbook.sdk.target import Capabilities, KeyGuard
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import FixedClock

LATE_SECONDS = 20
LIFE_SECONDS = 60


class Killed(BaseException):
    """The process died here."""


@dataclass
class FakeErp:
    """Keeps documents by key; each call meets the next fate of the script, then fair weather."""

    clock: FixedClock
    guard: KeyGuard = "unique_key"
    fates: list[str] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)
    bodies: dict[str, FinanceDocument] = field(default_factory=dict)
    late: list[tuple[datetime, FinanceDocument]] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    look_ups: int = 0
    late_seconds: int = LATE_SECONDS
    changed: dict[str, Any] = field(default_factory=dict)
    on_send: Callable[[], None] = lambda: None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            kinds=("invoice", "credit_memo", "journal"),
            key_guard=self.guard,
            key_length_max=40,
            posts_at_once=True,
            tax="supplied",
            concurrency=2,
            request_life_seconds=LIFE_SECONDS,
        )

    def send(self, document: FinanceDocument) -> Receipt:
        self.catch_up()
        self.on_send()
        fate = self.fates.pop(0) if self.fates else "fine"
        self.met[fate] += 1
        self._before(fate, document)
        self._commit(document)
        if fate == "lose_reply":
            raise no_answer("connection reset")
        if fate == "die_after":
            raise Killed
        return self._receipt(document.key)

    def _before(self, fate: str, document: FinanceDocument) -> None:
        match fate:
            case "die_before":
                raise Killed
            case "lose_request":
                raise no_answer("connection reset")
            case "commit_late" | "die_late":
                due = self.clock.now() + timedelta(seconds=self.late_seconds)
                self.late.append((due, document))
                if fate == "die_late":
                    raise Killed
                raise no_answer("timed out")
            case "unreachable":
                raise not_executed("connection refused")
            case "throttle":
                raise throttled("too many requests", retry_after_seconds=7)
            case "lock_out":
                raise unavailable("401 Unauthorized")
            case "closed":
                raise closed_period("2023-11", "the period is closed", company="US")
            case "bad_tax":
                raise rejected("missing_or_invalid_tax", "Invalid taxcode 12", cause="US|12")
            case _:
                assert fate in {"fine", "lose_reply", "die_after"}

    def look_up(self, document: FinanceDocument) -> Receipt | None:
        self.catch_up()
        self.look_ups += 1
        return self._receipt(document.key) if self.held[document.key] else None

    def close(self) -> None:
        pass

    def catch_up(self) -> None:
        """Carry out the late commits whose time has come."""
        now = self.clock.now()
        due = [document for at, document in self.late if at <= now]
        self.late = [(at, document) for at, document in self.late if at > now]
        for document in due:
            if self.guard == "unique_key" and self.held[document.key]:
                self.met["late_twin_refused"] += 1
            else:
                self._commit(document)

    def _commit(self, document: FinanceDocument) -> None:
        if self.guard == "unique_key" and self.held[document.key]:
            raise duplicate_key(document.key)
        self.held[document.key] += 1
        self.bodies[document.key] = document

    def _receipt(self, key: str) -> Receipt:
        document = self.bodies[key]
        told = Receipt(
            reference=f"ref-{key}",
            number=document.number,
            currency=document.currency,
            net=document.net,
            tax=document.tax,
            total=document.total,
            period=f"{document.accounting_date:%Y-%m}",
            customer=document.customer,
            line_count=len(document.lines),
            state="posted",
        )
        return replace(told, **self.changed)


class MortalDatabase(Database):
    """A database whose client dies just before or just after the commit of one transaction."""

    dies_in: int | None = None
    dies_after_commit: bool = False

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        is_last = self.dies_in == 0
        if self.dies_in is not None:
            self.dies_in = None if is_last else self.dies_in - 1
        with super().transaction() as connection:
            yield connection
            if is_last and not self.dies_after_commit:
                raise Killed
        if is_last:
            raise Killed


def sample(key: str, *, total: str = "120.00") -> FinanceDocument:
    """Make an invoice of 20 % tax."""
    net = Decimal(total) / Decimal("1.2")
    return FinanceDocument(
        kind="invoice",
        key=key,
        key16=key[:16],
        number=f"US-{key[-6:]}",
        company="US",
        currency="USD",
        document_date=date(2023, 11, 30),
        accounting_date=date(2023, 11, 30),
        lines=(DocumentLine(1, "4000", net, "Tokens", item="55"),),
        taxes=(
            DocumentTax("12", "2200", Decimal("0.2"), net, Decimal(total) - net, "VAT", line_no=1),
        ),
        customer="cust-1",
        due_date=date(2023, 12, 30),
    )
