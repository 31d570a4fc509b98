"""Documents as people write them (YAML, API) turned into versions of records."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from tollbook.masterdata import price_shorthand as shorthand
from tollbook.masterdata.catalog import KINDS, SINCE_EVER, Record, Version
from tollbook.masterdata.problems import Document, Path, Place, Problem, suggestion
from tollbook.records.adjustment import Adjustment
from tollbook.records.alert import Alert
from tollbook.records.charge import (
    Cell,
    PriceRules,
    PriceStep,
    PriceVersion,
    RoundParts,
    Tier,
)
from tollbook.records.commercial import (
    Contract,
    ContractItem,
    EventType,
    Filter,
    GlMap,
    Meter,
    PriceBook,
    Product,
    TaxRate,
    TaxTable,
)
from tollbook.records.credits import CreditGrant, RollOver
from tollbook.records.parties import Customer, LegalEntity, Subject
from tollbook.records.source_mapping import Condition, FieldRule, SourceMapping
from tollbook.values.calendar import BillingCalendar
from tollbook.values.codec import Absent, content_hash, from_builtins
from tollbook.values.ids import CustomerId, EntityId, MeterId
from tollbook.values.proration import Proration
from tollbook.values.quantity import parse_quantity, plain
from tollbook.values.selection import is_selection

# The heading of each kind in a file and in the API.
SECTIONS: Final[dict[str, str]] = {
    "entities": "entity",
    "customers": "customer",
    "event_types": "event_type",
    "meters": "meter",
    "products": "product",
    "price_books": "price_book",
    "contracts": "contract",
    "tax_tables": "tax_table",
    "gl_maps": "gl_map",
    "source_mappings": "source_mapping",
}

# Kinds that decide amounts: a version is numbered by its author and never changes.
GOVERNED: Final = frozenset(
    {"price_book", "contract", "meter", "event_type", "tax_table", "source_mapping"}
)

# How a field is spelled in documents, where that is not its name.
_SPELLING: Final[dict[type, dict[str, str]]] = {
    LegalEntity: {"entity_id": "id"},
    Customer: {"customer_id": "id"},
    EventType: {"event_type": "id"},
    Meter: {"meter_id": "id"},
    Product: {"product_id": "id", "meter_id": "meter"},
    PriceBook: {"price_book_id": "id"},
    PriceVersion: {"product_id": "product"},
    Contract: {
        "contract_id": "id",
        "customer_id": "customer",
        "entity_id": "entity",
        "price_book_id": "price_book",
        "credit_product_id": "credit_product",
    },
    ContractItem: {"product_id": "product"},
    CreditGrant: {"grant_id": "id"},
    Adjustment: {"adjustment_id": "id", "product_id": "product"},
    Alert: {"alert_id": "id", "product_id": "product"},
    TaxTable: {"entity_id": "entity"},
    GlMap: {"entity_id": "entity"},
    SourceMapping: {"mapping_id": "id"},
    FieldRule: {"hash_of": "hash", "first_of": "first", "kind": "as", "rounding": "round"},
    Condition: {"one_of": "in", "none_of": "not_in"},
}

# Fields that follow from the document around them and are never written.
_GENERATED: Final[dict[type, dict[str, str]]] = {
    PriceVersion: {"price_version_id": "", "currency": ""}
}

# Records whose fields are written beside those of the record that has them.
_INLINED: Final[dict[type, dict[str, type]]] = {PriceVersion: {"rules": PriceRules}}

# Fields that have a default in code, but that a reader of the file must see.
_ALWAYS_WRITTEN: Final[dict[type, set[str]]] = {PriceVersion: {"model"}}

_YES: Final = {"yes": True, "true": True, "no": False, "false": False}

VersionKey = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The versions that documents ask for, where each was written, and what could not be read.

    `unread` are the (kind, key) of documents that could not be read.
    """

    versions: tuple[Version, ...]
    documents: Mapping[VersionKey, Document]
    problems: tuple[Problem, ...]
    unread: frozenset[tuple[str, str]] = frozenset()


def documents_to_versions(sections: Mapping[str, Any]) -> Wanted:
    """Read the API's shape: section -> list of documents, as in the files."""
    documents, problems = [], []
    for section, found in sections.items():
        if section not in SECTIONS:
            message = f"{section!r} is not a section.{suggestion(section, sorted(SECTIONS))}"
            problems.append(Problem(Place(section), "masterdata.unknown_key", message))
            continue
        for at, content in enumerate(found if isinstance(found, list) else [found]):
            source = f"{section}[{at}]"
            if isinstance(content, Mapping):
                documents.append(Document(SECTIONS[section], content, source))
            else:
                message = f"{section} is a list of objects."
                problems.append(Problem(Place(source), "masterdata.malformed", message))
    return to_versions(documents, problems)


def to_versions(documents: Iterable[Document], problems: Iterable[Problem] = ()) -> Wanted:
    """Turn documents into versions; every problem is reported, none stops the others."""
    noted = list(problems)
    made: dict[VersionKey, tuple[Version, Document]] = {}
    unread: set[tuple[str, str]] = set()
    for document in documents:
        for one in _one_per_version(document, noted):
            version = _Reader(one, noted).version()
            if version is None:
                unread.add((one.kind, _key(one)))
                continue
            key = (version.kind, version.key, version.version)
            if key in made:
                message = (
                    f"{version.kind} {version.key} version {version.version} is also at "
                    f"{made[key][1].place()}: keep one."
                )
                noted.append(Problem(one.place(), "masterdata.duplicate", message))
            else:
                made[key] = (version, one)
    return Wanted(
        versions=tuple(version for _, (version, _) in sorted(made.items(), key=lambda kv: kv[0])),
        documents={key: document for key, (_, document) in made.items()},
        problems=tuple(noted),
        unread=frozenset(unread),
    )


def read_alone(kind: type, written: object, name: str) -> tuple[Any, list[str]]:
    """Read one part of a document on its own; return the record and what is wrong with it."""
    content = written if isinstance(written, Mapping) else {}
    problems: list[Problem] = []
    record = _Reader(Document(name, content, name), problems).part(kind, written, name)
    return record, [problem.message for problem in problems]


def _key(document: Document) -> str:
    identifier = next(iter(_spelled(KINDS[document.kind])))
    return str(document.content.get(identifier, ""))


def _one_per_version(document: Document, problems: list[Problem]) -> list[Document]:
    """Cut a document with `versions:` in one document a version; what is above holds for all."""
    if document.kind not in GOVERNED or "versions" not in document.content:
        return [document]
    shared = {key: value for key, value in document.content.items() if key != "versions"}
    versions = document.content["versions"]
    if not isinstance(versions, list) or not all(isinstance(v, Mapping) for v in versions):
        place = document.place(("versions",))
        problems.append(Problem(place, "masterdata.malformed", "versions is a list of versions."))
        return []
    cut = []
    for at, own in enumerate(versions):
        prefix: Path = ("versions", at)
        lines = {path: line for path, line in document.lines.items() if path[:1] != ("versions",)}
        lines |= {p[2:]: line for p, line in document.lines.items() if p[:2] == prefix}
        cut.append(Document(document.kind, {**shared, **own}, document.source, lines))
    return cut


class _Reader:
    """Reads one document into one record, noting every problem on the way."""

    def __init__(self, document: Document, problems: list[Problem]) -> None:
        self._document = document
        self._problems = problems

    def version(self) -> Version | None:
        """Return the version that the document describes, or None when it cannot be read."""
        before = len(self._problems)
        kind, record_type = self._document.kind, KINDS[self._document.kind]
        content = dict(self._document.content)
        names = {field.name for field in fields(record_type)}
        number = self._leaf(int, content.get("version", 1), ("version",))
        since = self._leaf(date, content.get("effective_from", SINCE_EVER), ("effective_from",))
        if kind in GOVERNED:
            content.setdefault("version", 1)
            if "version" not in names:
                del content["version"]
        if "effective_from" not in names:
            content.pop("effective_from", None)
        record = self._record(record_type, content, ())
        if len(self._problems) > before:
            return None
        if record_type in _FINISH:
            record = _FINISH[record_type](record)
        key = str(getattr(record, fields(record_type)[0].name))
        return Version(kind, key, number, since, record, content_hash(record))

    def part(self, kind: type, value: Any, name: str) -> Any:
        """Return the record of a part of a document, or None when it cannot be read."""
        before = len(self._problems)
        record = self._record(kind, value, (name,))
        return record if len(self._problems) == before else None

    def _record(self, kind: type, value: Any, path: Path) -> Any:
        if kind in _SHORTHAND:
            value = _SHORTHAND[kind](value)
        if not isinstance(value, Mapping):
            return self._note(path, "malformed", f"{_last(path)} has keys, such as {_keys(kind)}.")
        keys = _spelled(kind)
        made = {**_GENERATED.get(kind, {}), **self._inlined(kind, value, path)}
        beside = [key for group in _INLINED.get(kind, {}).values() for key in _spelled(group)]
        for key in value:
            if key not in keys and key not in beside:
                hint = suggestion(str(key), sorted([*keys, *beside]))
                self._note((*path, str(key)), "unknown_key", f"{key!r} is not known here.{hint}")
        hints = _hints(kind)
        for key, name in keys.items():
            if value.get(key) is not None:
                made[name] = self._field(hints[name], value[key], (*path, key))
            elif name in _required(kind) and NoneType in get_args(hints[name]):
                made[name] = None
            elif name in _required(kind):
                self._note(path, "missing_key", f"{_last(path)} needs `{key}:`.")
        if len(made.keys() | _optional(kind)) < len(hints):
            return None
        return kind(**made)

    def _inlined(self, kind: type, value: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """Read the records whose fields are written beside those of `kind`, where any is there."""
        made = {}
        for name, group in _INLINED.get(kind, {}).items():
            own = {key: value[key] for key in _spelled(group) if value.get(key) is not None}
            if own:
                made[name] = self._record(group, own, path)
        return made

    def _field(self, hint: Any, value: Any, path: Path) -> Any:
        nested = _nested(hint)
        if nested is None:
            return self._leaf(hint, value, path)
        if get_origin(hint) is Mapping:
            if not isinstance(value, Mapping):
                return self._note(path, "malformed", f"{_last(path)} has fields, each `name: ...`.")
            read = {name: self._record(nested, v, (*path, name)) for name, v in value.items()}
            return {name: record for name, record in read.items() if record is not None}
        if get_origin(hint) is not tuple:
            return self._record(nested, value, path)
        if not isinstance(value, list):
            return self._note(path, "malformed", f"{_last(path)} is a list: start each with `- `.")
        found = [self._record(nested, item, (*path, at)) for at, item in enumerate(value)]
        return tuple(item for item in found if item is not None)

    def _leaf(self, hint: Any, value: Any, path: Path) -> Any:
        try:
            if hint is Decimal or Decimal in get_args(hint):
                # 3.00 and 3 are one price: without this, adding a zero would be a new version.
                return Decimal(plain(parse_quantity(value)))
            return from_builtins(_text(hint, value), hint)
        except ValueError as error:
            return self._note(path, "wrong_value", f"{_last(path)} is not right: {error}.")

    def _note(self, path: Path, code: str, message: str) -> None:
        place = self._document.place(path)
        self._problems.append(Problem(place, f"masterdata.{code}", message))


def _text(hint: Any, value: Any) -> Any:
    """Read whole numbers as text where text is meant: accounts and postal codes look like them."""
    if isinstance(value, Mapping) and get_args(hint) == (str, str):
        return {key: _text(str, item) for key, item in value.items()}
    is_text = hint in {str, CustomerId, EntityId, MeterId}
    if is_text and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # A file in which every value is text, such as that of `price eval`, means these as well.
    if isinstance(value, str) and hint is bool:
        return _YES.get(value, value)
    if isinstance(value, str) and int in get_args(hint) and value.isdecimal():
        return int(value)
    return value


def _last(path: Path) -> str:
    names = [part for part in path if isinstance(part, str)]
    return names[-1] if names else "The record"


def _keys(kind: type) -> str:
    return ", ".join(f"`{key}:`" for key in _spelled(kind))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _spelled(kind: type) -> dict[str, str]:
    """Key in a document -> field name."""
    spelling, generated = _SPELLING.get(kind, {}), _GENERATED.get(kind, {})
    hidden = generated.keys() | _INLINED.get(kind, {}).keys()
    names = [field.name for field in fields(kind) if field.name not in hidden]
    return {spelling.get(name, name): name for name in names}


@cache
def _required(kind: type) -> frozenset[str]:
    without_default = {
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    }
    return frozenset(without_default | _ALWAYS_WRITTEN.get(kind, set()))


@cache
def _optional(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind)) - _required(kind)


@cache
def _nested(hint: Any) -> type | None:
    """Return the record type inside a hint (X, X | None, tuple or mapping of X), None for a leaf."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    if isinstance(hint, UnionType) or get_origin(hint) in {tuple, Mapping}:
        inner = [arg for arg in get_args(hint) if arg not in {NoneType, Ellipsis, str, Absent}]
        return _nested(inner[0]) if len(inner) == 1 else None
    return None


def _short_subject(value: Any) -> Any:
    return {"subject": value} if isinstance(value, str) else value


def _short_item(value: Any) -> Any:
    return {"product": value} if isinstance(value, str) else value


def _short_grant(value: Any) -> Any:
    """`expires_on: never` is no expiry."""
    if not isinstance(value, Mapping):
        return value
    ends = ("expires_on", "expires_at")
    return {key: v for key, v in value.items() if not (key in ends and v == "never")}


def _short_roll_over(value: Any) -> Any:
    """`roll_over: 50 %` keeps that much."""
    if isinstance(value, str) and value.endswith("%"):
        return {"percent": value.removesuffix("%").strip()}
    return value


def _short_field(value: Any) -> Any:
    """A text that begins like a path is one, any other value is a constant."""
    if isinstance(value, str):
        return {"path": value} if is_selection(value) else {"value": value}
    if isinstance(value, int | Decimal):
        return {"value": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("units"), Mapping):
        return value
    units = {
        unit: plain(factor) if isinstance(factor, Decimal) else factor
        for unit, factor in value["units"].items()
    }
    return {**value, "units": units}


def _short_calendar(value: Any) -> Any:
    """`every: month` and so on; `billing: month` alone is enough, and an anchor may be a day."""
    if isinstance(value, str):
        return {"every": value}
    if isinstance(value, Mapping) and isinstance(value.get("anchor"), date):
        return {**value, "anchor": value["anchor"].isoformat()}
    return value


def _short_proration(value: Any) -> Any:
    """`proration: day` is `proration: {by: day}`."""
    return {"by": value} if isinstance(value, str) else value


def _finish_book(book: PriceBook) -> PriceBook:
    prices = tuple(
        replace(
            price,
            price_version_id=f"{book.price_book_id}/{price.product_id}@{book.version}",
            currency=book.currency,
        )
        for price in book.prices
    )
    return replace(book, prices=prices)


def _finish_contract(contract: Contract) -> Contract:
    return replace(contract, items=tuple(_finish_item(contract, i) for i in contract.items))


def _finish_item(contract: Contract, item: ContractItem) -> ContractItem:
    if item.price is None:
        return item
    price = replace(
        item.price,
        price_version_id=f"{contract.contract_id}/{item.product_id}@{contract.version}",
        currency=contract.currency,
        product_id=item.product_id,
    )
    return replace(item, price=price)


def _short_meter(value: Any) -> Any:
    """`where: {region: [us, eu]}` and `where: {tokens: {at_least: 1}}` are filters."""
    if not isinstance(value, Mapping) or not isinstance(value.get("where"), Mapping):
        return value
    where = {k: v for k, v in value["where"].items() if not isinstance(v, list | Mapping)}
    filters = [
        {"field": k, **v} if isinstance(v, Mapping) else {"field": k, "one_of": v}
        for k, v in value["where"].items()
        if isinstance(v, list | Mapping)
    ]
    stated = value.get("filters", [])
    if not filters or not isinstance(stated, list):
        return value
    return {**value, "where": where, "filters": [*stated, *filters]}


def _short_filter(value: Any) -> Any:
    """`not: x` is none_of, `in: [x]` is one_of; one text stands for a list of it."""
    if not isinstance(value, Mapping):
        return value
    names = {"not": "none_of", "in": "one_of"}
    spelled = {names.get(str(key), key): item for key, item in value.items()}
    for name in names.values():
        if name in spelled:
            items = spelled[name] if isinstance(spelled[name], list) else [spelled[name]]
            spelled[name] = [_text(str, item) for item in items]
    return spelled


_SHORTHAND: Final[dict[type, Callable[[Any], Any]]] = {
    Meter: _short_meter,
    Filter: _short_filter,
    Subject: _short_subject,
    ContractItem: _short_item,
    CreditGrant: _short_grant,
    RollOver: _short_roll_over,
    PriceVersion: shorthand.price,
    PriceRules: shorthand.rules,
    PriceStep: shorthand.step,
    RoundParts: shorthand.round_parts,
    Cell: shorthand.cell,
    Tier: shorthand.tier,
    TaxRate: shorthand.rate,
    FieldRule: _short_field,
    BillingCalendar: _short_calendar,
    Proration: _short_proration,
}

_FINISH: Final[dict[type, Callable[[Any], Record]]] = {
    PriceBook: _finish_book,
    Contract: _finish_contract,
}
