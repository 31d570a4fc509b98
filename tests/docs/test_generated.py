"""Pages and schemas that are made from the source are what the source says now."""

import json
import subprocess
import sys
from decimal import Decimal

import fastjsonschema
import pytest

from docs.generate import ROOT, SCHEMAS, schemas
from docs.refusals import codes_in_source, refusals
from tollbook.records.charge import Charge, ChargePart
from tollbook.values.codec import to_builtins
from tollbook.values.ids import ChargeId, CustomerId
from tollbook.values.money import Precise
from tollbook.values.period import Month
from tollbook.worklist.codes import CODES


def test_generated_files_are_up_to_date() -> None:
    # In a process of its own: commands remember how they were called first, and so does their help.
    checked = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, f"run `make docs`: {checked.stderr}"


def test_no_schema_is_left_of_a_record_that_is_no_more() -> None:
    assert set(SCHEMAS.glob("*.json")) == {path for path, _ in schemas()}, "run `make docs`"


def test_every_code_in_the_source_is_a_work_item_code_or_a_listed_refusal() -> None:
    listed = {refusal.code for refusal in refusals()}

    assert codes_in_source() - set(CODES) - listed == set()


@pytest.mark.parametrize("amount", ["0.0000001", "-12.50"])
def test_an_encoded_record_matches_its_schema(amount: str) -> None:
    schema = dict(schemas())[SCHEMAS / "Charge.json"]
    validate = fastjsonschema.compile(json.loads(schema))
    charge = Charge(
        charge_id=ChargeId("chg_1"),
        customer_id=CustomerId("acme"),
        price_version_id="list/calls@1",
        period=Month(2024, 11).period,
        amount=Precise(Decimal(amount), "USD"),
        parts=(ChargePart("calls", Decimal(1), Decimal(amount), Decimal(amount)),),
    )

    written = to_builtins(charge)

    assert validate(written) == written
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        validate({**written, "amount": "12.50"})
