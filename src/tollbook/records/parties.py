"""Who sells, who buys, and under which names other systems know them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from tollbook.values.ids import CustomerId, EntityId
from tollbook.values.money import Rounding


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """Our company that sells: one set of books, one functional currency, one invoice series.

    `target` names the ERP its documents are posted to; `payment_days` is the time to pay;
    Tax is rounded by `tax_rounding_mode`, on each line, on the sum of each rate (`document`), or once
    for all (`total`). `approval` says whether a person must approve a draft before it is issued. `zone` is the IANA
    name of the time zone in which its days begin, for customers and contracts that state none. A month is
    not invoiced before each of `required_sources`, and each source with usage in the last
    `sources_seen_days` days of the month, has declared that the month is complete.
    """

    entity_id: EntityId
    name: str
    currency: str
    country: str
    target: str
    invoice_prefix: str
    payment_days: int = 30
    approval: Literal["manual", "automatic"] = "manual"
    tax_rounding: Literal["line", "document", "total"] = "line"
    zone: str = "UTC"
    required_sources: tuple[str, ...] = ()
    sources_seen_days: int = 0
    tax_rounding_mode: Rounding = "half_up"


@dataclass(frozen=True, slots=True)
class Subject:
    """A name that events carry for a customer, valid from a day until another day (not inside)."""

    subject: str
    effective_from: date | None = None
    effective_until: date | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """The party that is billed. `external_ids` maps an outside system to its id for the customer.

    `subjects` are the names used in events; without any, the customer id is the subject.
    `zone` is the IANA name of the time zone in which its days begin; the entity's when empty.
    """

    customer_id: CustomerId
    name: str
    jurisdiction: str
    external_ids: Mapping[str, str] = field(default_factory=dict)
    subjects: tuple[Subject, ...] = ()
    email: str = ""
    street: str = ""
    city: str = ""
    country: str = ""
    zone: str = ""
