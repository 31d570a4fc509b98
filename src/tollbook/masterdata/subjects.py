"""Which customer a subject of events means, and from when until when."""

from collections.abc import Iterable
from datetime import date
from itertools import pairwise

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


def moved(
    before: Iterable[CrosswalkRow], after: Iterable[CrosswalkRow]
) -> dict[str, list[tuple[date, date]]]:
    """Return on which days [from, until) each subject means another customer than before, or none.

    A day without end is `date.max`, one without beginning `date.min`.
    """
    old, new = _spans(before), _spans(after)
    found: dict[str, list[tuple[date, date]]] = {}
    for subject in sorted(old.keys() | new.keys()):
        one, other = old.get(subject, []), new.get(subject, [])
        if one == other:
            continue
        cuts = sorted({day for _, start, end in [*one, *other] for day in (start, end)})
        spans = [
            (start, end)
            for start, end in pairwise(cuts)
            if _customer(one, start) != _customer(other, start)
        ]
        if spans:
            found[subject] = spans
    return found


def _spans(rows: Iterable[CrosswalkRow]) -> dict[str, list[tuple[str, date, date]]]:
    spans: dict[str, list[tuple[str, date, date]]] = {}
    for subject, customer_id, start, end in rows:
        spans.setdefault(subject, []).append((customer_id, start or date.min, end or date.max))
    return {subject: sorted(found, key=lambda span: span[1]) for subject, found in spans.items()}


def _customer(spans: Iterable[tuple[str, date, date]], day: date) -> str | None:
    return next((customer for customer, start, end in spans if start <= day < end), None)


def subjects_ever(catalog: Catalog) -> set[str]:
    """Return every subject that any version of any customer had."""
    return {
        subject.subject
        for key in catalog.keys("customer")
        for version in catalog.versions["customer", key]
        if isinstance(version.record, Customer)
        for subject in subjects_of(version.record)
    }
