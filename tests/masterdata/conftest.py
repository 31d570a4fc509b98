"""Plans made from YAML text."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.documents import Wanted, to_versions
from tollbook.masterdata.files import Reading, read_text
from tollbook.masterdata.plan import Plan, plan
from tollbook.masterdata.problems import Document

AT = datetime(2023, 12, 1, 9, tzinfo=UTC)
BASE = Path(__file__).parents[1] / "vectors" / "masterdata" / "base.yaml"


@pytest.fixture
def wanted() -> Callable[[str], Wanted]:
    """Read the base company with the records of a text, which win over those of the base."""

    def read(text: str = "") -> Wanted:
        base, own = Reading(), Reading()
        read_text(BASE.read_text(), "base", base)
        read_text(text, "case", own)
        names = {_name(document) for document in own.documents}
        kept = [document for document in base.documents if _name(document) not in names]
        return to_versions([*kept, *own.documents], [*base.problems, *own.problems])

    return read


@pytest.fixture
def plan_on_nothing(wanted: Callable[[str], Wanted]) -> Callable[[str], Plan]:
    """Plan the base company with the records of a text on an empty catalog."""

    def make(text: str = "") -> Plan:
        return plan(Catalog(AT), wanted(text), at=AT)

    return make


def _name(document: Document) -> tuple[str, object]:
    return document.kind, document.content.get("id", document.content.get("entity"))
