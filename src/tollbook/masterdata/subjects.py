"""Which customer a subject of events means, and from when until when."""

from datetime import date

from tollbook.masterdata.catalog import Catalog
from tollbook.records.parties import Customer, Subject

# (subject, customer, from, until-excluded); None = without end on that side.
CrosswalkRow = tuple[str, str, date | None, date | None]


def subjects_of(customer: Customer) -> tuple[Subject, ...]:
    """Return the names that events carry for a customer; its id when none is given."""
    return customer.subjects or (Subject(customer.customer_id),)


def crosswalk(catalog: Catalog) -> list[CrosswalkRow]:
    """Return all subjects, in order; the latest version of a customer decides, back in time too."""
    rows: list[CrosswalkRow] = []
    for customer_id in catalog.keys("customer"):
        customer = catalog.customer(customer_id, date.max)
        assert customer is not None, "a key has at least one version"
        rows += [
            (subject.subject, customer_id, subject.effective_from, subject.effective_until)
            for subject in subjects_of(customer)
        ]
    return sorted(rows, key=lambda row: (row[0], row[2] or date.min, row[1]))


def meet(one: tuple[date | None, date | None], other: tuple[date | None, date | None]) -> bool:
    """Tell whether two spans of days [from, until) share a day; None = without end."""
    start = max(one[0] or date.min, other[0] or date.min)
    end = min(one[1] or date.max, other[1] or date.max)
    return start < end
