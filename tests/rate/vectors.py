"""The vector files, read as the text they are, and what is written in them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tollbook.records.usage import MeteredUsage
from tollbook.values.ids import CustomerId, MeterId, UsageId
from tollbook.values.period import Month
from tollbook.values.quantity import plain

VECTORS = Path(__file__).parent.parent / "vectors" / "rate"
NOVEMBER = Month(2023, 11)


def cases(*names: str) -> list[Any]:
    """Read the cases of vector files; every scalar is the text that is written."""
    return [
        pytest.param(case, id=f"{name}: {case['why']}")
        for name in names
        for case in yaml.load((VECTORS / f"{name}.yaml").read_text(), Loader=yaml.BaseLoader)
    ]


def usage(quantity: Decimal) -> MeteredUsage:
    """Build a metered usage of a quantity in November."""
    return MeteredUsage(
        usage_id=UsageId(f"use_{plain(quantity)}"),
        customer_id=CustomerId("acme"),
        meter_id=MeterId("m"),
        period=NOVEMBER.period,
        quantity=quantity,
        event_count=1,
    )
