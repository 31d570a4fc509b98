"""Checks of tax tables and GL maps."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from tollbook.ledger.chart import NATURES
from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.problems import Finding, Path, suggestion
from tollbook.masterdata.references import check_reference, check_span
from tollbook.masterdata.subjects import meet
from tollbook.records.commercial import GlMap, TaxRate, TaxTable
from tollbook.records.parties import LegalEntity

_ROLES: Final = sorted(NATURES)


def check_tax_table(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check rates, and that one day has one rate for a jurisdiction and tax class."""
    table = version.record
    assert isinstance(table, TaxTable)
    yield from check_reference(
        catalog, "entity", table.entity_id, since=version.effective_from, path=("entity",)
    )
    for at, rate in enumerate(table.rates):
        path: Path = ("rates", at)
        if not 0 <= rate.rate <= 1:
            message = f"rate {rate.rate} must be between 0 and 1; write 19 % or 0.19."
            yield Finding("tax_rate", message, (*path, "rate"))
        yield from check_span(rate.effective_from, rate.effective_until, path)
        if any(_clash(rate, earlier) for earlier in table.rates[:at]):
            message = (
                f"{rate.jurisdiction} has two rates for tax class {rate.tax_class} from "
                f"{rate.effective_from}: end the earlier one with effective_until."
            )
            yield Finding("tax_rates_overlap", message, path)


def _clash(one: TaxRate, other: TaxRate) -> bool:
    return (one.jurisdiction, one.tax_class) == (other.jurisdiction, other.tax_class) and meet(
        (one.effective_from, one.effective_until), (other.effective_from, other.effective_until)
    )


def check_gl_map(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check that a GL map is for the entity's ERP and names every account and tax code needed."""
    gl_map, since = version.record, version.effective_from
    assert isinstance(gl_map, GlMap)
    yield from check_reference(catalog, "entity", gl_map.entity_id, since=since, path=("entity",))
    entity = catalog.entity(gl_map.entity_id, max(since, _start(catalog, gl_map.entity_id)))
    if isinstance(entity, LegalEntity) and entity.target != gl_map.target:
        message = f"entity {entity.entity_id} posts to {entity.target!r}, not {gl_map.target!r}."
        yield Finding("gl_target", message, ("target",))
    for role in _ROLES:
        if not gl_map.accounts.get(role):
            message = f"accounts names no GL account for {role}."
            yield Finding("missing_gl_account", message, ("accounts",), is_warning=True)
    for role in gl_map.accounts:
        yield from _role(role, catalog, since)
    yield from _tax_codes(gl_map, catalog)


def _start(catalog: Catalog, entity_id: str) -> date:
    versions = catalog.versions.get(("entity", entity_id), ())
    return min((version.effective_from for version in versions), default=date.min)


def _role(role: str, catalog: Catalog, since: date) -> Iterator[Finding]:
    first, _, product_id = role.partition(":")
    path = ("accounts", role)
    if first not in NATURES:
        message = f"{first!r} is not an account role.{suggestion(first, _ROLES)}"
        yield Finding("unknown_role", message, path)
    elif product_id and not catalog.versions.get(("product", product_id)):
        yield from check_reference(catalog, "product", product_id, since=since, path=path)


def _tax_codes(gl_map: GlMap, catalog: Catalog) -> Iterator[Finding]:
    table = catalog.tax_table(gl_map.entity_id, date.max)
    codes = sorted({rate.tax_code for rate in table.rates}) if table else []
    for code in codes:
        if not gl_map.tax_codes.get(code):
            message = f"tax_codes has no {code}, which the tax table charges."
            yield Finding("missing_tax_code", message, ("tax_codes",), is_warning=True)
