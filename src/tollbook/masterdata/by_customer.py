"""Master data cut down to what concerns one customer, so that nobody walks all contracts for it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.records.commercial import Contract, Meter
from tollbook.values.codec import content_hash

_Versions = Mapping[tuple[str, str], tuple[Version, ...]]


@dataclass(frozen=True)
class ByCustomer:
    """Which contracts a customer uses and which it pays for, worked out once for a catalog.

    `shared` are the versions of everything that is no customer and no contract.
    """

    catalog: Catalog
    shared: _Versions
    used: Mapping[str, tuple[str, ...]]
    paid: Mapping[str, tuple[str, ...]]
    shared_hash: str

    @cached_property
    def watched(self) -> tuple[str, ...]:
        """The customers whose contracts have alerts or prepaid credits, in order."""
        return tuple(
            sorted(key for key, ids in self.used.items() if any(map(self._is_watched, ids)))
        )

    @cached_property
    def has_gauges(self) -> bool:
        """Whether any meter grows with time alone."""
        meters = [one.record for (kind, _), found in self.shared.items() for one in found]
        return any(isinstance(m, Meter) and m.aggregation == "time_weighted_sum" for m in meters)

    def basis_of(self, customer_id: str) -> str:
        """Return what changes whenever master data does that a customer is rated by."""
        keys = [("customer", customer_id), *(("contract", key) for key in self.used[customer_id])]
        found = [_hashes(self.catalog.versions.get(key, ())) for key in keys]
        return content_hash([self.shared_hash, found])

    def knows(self, customer_id: str) -> bool:
        """Tell whether there is such a customer."""
        return ("customer", customer_id) in self.catalog.versions

    def contracts_of(self, customer_id: str, *, paid_too: bool = False) -> tuple[str, ...]:
        """Return the contracts of a customer, in order; those it pays for others too if asked."""
        used = self.used.get(customer_id, ())
        paid = self.paid.get(customer_id, ()) if paid_too else ()
        return tuple(sorted({*used, *paid}))

    def part(self, contract_ids: Iterable[str]) -> Catalog:
        """Return the catalog as if there were only these contracts."""
        found = {("contract", key): self.catalog.versions["contract", key] for key in contract_ids}
        customers = {
            ("customer", key): self.catalog.versions.get(("customer", key), ())
            for versions in found.values()
            for version in versions
            for key in _parties(version)
        }
        return replace(self.catalog, versions={**self.shared, **customers, **found})

    def _is_watched(self, contract_id: str) -> bool:
        versions = self.catalog.versions["contract", contract_id]
        terms = [_contract(version) for version in versions]
        return any(one.alerts or one.credits for one in terms)


def by_customer(catalog: Catalog) -> ByCustomer:
    """Index the contracts of a catalog by who uses and who pays for them."""
    used: dict[str, list[str]] = defaultdict(list)
    paid: dict[str, list[str]] = defaultdict(list)
    for key in catalog.keys("contract"):
        # An amendment cannot change who is a party.
        contract = _contract(catalog.versions["contract", key][0])
        used[contract.customer_id].append(key)
        paid[contract.bill_to or contract.customer_id].append(key)
    shared = {
        key: versions
        for key, versions in catalog.versions.items()
        if key[0] not in {"customer", "contract"}
    }
    hashes = sorted((key, _hashes(versions)) for key, versions in shared.items())
    return ByCustomer(catalog, shared, _fixed(used), _fixed(paid), content_hash(hashes))


def _parties(version: Version) -> tuple[str, ...]:
    """Return the customers of a contract: who uses it, and who pays."""
    contract = _contract(version)
    return tuple(dict.fromkeys([contract.customer_id, contract.bill_to or contract.customer_id]))


def _hashes(versions: Iterable[Version]) -> list[tuple[int, str, str]]:
    return [(one.version, str(one.effective_from), one.content_hash) for one in versions]


def _fixed(found: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(keys) for key, keys in found.items()}


def _contract(version: Version) -> Contract:
    assert isinstance(version.record, Contract)
    return version.record
